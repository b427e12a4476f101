"""What a sweep of the daemon would remove now, as far as the ledger and the reasons in quarantine tell."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

from classifyd.config import Config, InboxConfig, with_corrections
from classifyd.config.durations import written
from classifyd.inbox.removing import old_in_quarantine
from classifyd.ledger import LedgerView
from classifyd.service.retention import KINDS, waiting_for

WORDS = {"done": "inputs in done", "outputs": "outputs"}


def aged_in(config: Config) -> Iterator[tuple[str, str]]:
    """Inboxes with what of theirs has grown too old, in words; none where there is no ledger that can be read."""
    path, now = config.daemon.state / "ledger.sqlite", time.time()
    inboxes = with_corrections(config).inboxes
    if not path.exists():
        return
    try:
        with closing(LedgerView(path)) as view:
            found = [(inbox.name, ", ".join(_aged(inbox, view, now))) for inbox in inboxes]
    except sqlite3.Error:
        return  # said elsewhere
    yield from ((name, words) for name, words in found if words)


def _aged(inbox: InboxConfig, view: LedgerView, now: float) -> Iterator[str]:
    kept = inbox.retention
    for kind in KINDS:
        length = getattr(kept, kind)
        count, size = view.size_of_aged(kind, inbox.name, now - length) if length is not None else (0, 0)
        if count:
            yield f"{count:,} {WORDS[kind]} ({size:,} bytes, older than {written(length)})"
    if kept.quarantine is not None:
        sizes = [size for _, size in old_in_quarantine(inbox, now - kept.quarantine)]
        if sizes:
            yield f"{len(sizes):,} in quarantine ({sum(sizes):,} bytes, older than {written(kept.quarantine)})"
    if kept.ledger is not None and inbox.take == "move":
        rows = view.count_old(inbox.name, now - kept.ledger, waiting_for(inbox))
        if rows:
            yield f"{rows:,} rows of the ledger (older than {written(kept.ledger)})"
