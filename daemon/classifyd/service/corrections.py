"""Corrections: what people say of texts, by moving a file into a folder or on a page, goes to the ledger.

A file in `corrections/<task>/<label>/` takes the way of every input: it settles, is claimed, and read by a worker; only
its end differs. Its texts and what they should have been called are committed together with its state, so that a crash
before that leaves it to be read again, and one after it leaves it to be moved on.
"""

import contextlib
import json
import os
import pwd
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import structlog

from classifyd.bundles import Store
from classifyd.config import CorrectionsInbox, InboxConfig
from classifyd.config.sentences import nearest
from classifyd.errors import BundleError, UnreadableFile
from classifyd.inbox.moves import is_unicode, make_folders
from classifyd.ledger import Correction, Entry, Ledger
from classifyd.reports import PartReport
from classifyd.service.places import encoded
from classifyd.service.work import Work
from classifyd.web import Wish, Withdrawal

log = structlog.get_logger()

MOST_RECORDS = 1000
MOST_BYTES = 16 * 2**20
"""Of one file: people correct messages, not tables, and the main loop has no time for more."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """A file of corrections that was read; `total` has its labels: its original's, the corrected one in its place."""

    work: Work
    corrections: tuple[Correction, ...]
    total: PartReport


class Corrections:
    """The one way into the ledger for corrections, whoever makes them. DiskFault if the ledger cannot be written."""

    def __init__(self, ledger: Ledger, models: Path) -> None:
        self._ledger = ledger
        self._store = Store(models)

    def record(self, correction: Correction) -> None:
        """Keep one correction; recorded again under the same key it changes nothing."""
        with self._ledger.commit():
            self._ledger.corrected(correction)
        _log(correction)

    def withdraw(self, key: str) -> None:
        """Take a correction back, with the text that was kept for it."""
        with self._ledger.commit():
            self._ledger.withdrawn(key)
        log.info("correction_withdrawn", correction=key)

    # ------------------------------------------------------------------ on the page

    def grant(self, wish: Wish) -> None:
        """Do what somebody wishes on the status page; a DiskFault is told there."""
        wish.grant(lambda deed: self.withdraw(deed.key) if isinstance(deed, Withdrawal) else self.record(deed))

    # ------------------------------------------------------------------ by files

    def make_folders(self, inbox: InboxConfig) -> None:
        """Make the folders of a corrections inbox: one for each task and label that is known, to move files into."""
        if not isinstance(inbox, CorrectionsInbox):
            return
        make_folders(inbox.path)
        for task in inbox.original.tasks:
            labels, kind = self._known(task)
            if kind != "token":
                for label in labels:
                    make_folders(inbox.path / task / encoded(label))

    def of(self, work: Work) -> "Corrected":
        """What a file of a corrections inbox says. UnreadableFile if its place or content makes no sense."""
        inbox = work.inbox
        assert isinstance(inbox, CorrectionsInbox)
        task, label = self._place(work, inbox.original)
        total = work.total()
        if total.records > MOST_RECORDS or total.size > MOST_BYTES:
            raise UnreadableFile(
                f"{work.shown}: has {total.records} records in {total.size} bytes; a file of corrections may have"
                f" {MOST_RECORDS} in {MOST_BYTES}. Split it, or train on it as it is: classifyd train {task} --data"
            )
        origin = self._origin(work, inbox.original)
        known = Correction(
            "",
            work.claim.claimed_at,
            _owner(work.claim.path),
            task,
            "",
            label,
            inbox=inbox.original.name,
            source=work.shown.partition("/")[2].partition("/")[2],
            model=_model(task, origin),
            said=origin.labels.get(task, "") if origin else "",
        )
        corrections = tuple(
            replace(known, key=f"{work.claim.id}#{index}", text=text) for index, text in enumerate(_texts(work))
        )
        labels = {**(origin.labels if origin else {}), task: label}
        return Corrected(work, corrections, replace(total, labels=labels, errors=0, reviews=0))

    def commit(self, files: Sequence["Corrected"]) -> None:
        """Keep what files say and note that they are through, all in one; they are yet to be moved on."""
        with self._ledger.commit():
            for file in files:
                for correction in file.corrections:
                    self._ledger.corrected(correction)
                self._ledger.intend(file.work.claim.id, str(file.work.result), file.total)
                self._ledger.published(file.work.claim.id)
        for file in files:
            for correction in file.corrections:
                _log(correction)

    def _origin(self, work: Work, original: InboxConfig) -> Entry | None:
        claim = work.claim
        return self._ledger.origin(original.name, Path(claim.name).name, claim.size, claim.mtime_ns)

    def _place(self, work: Work, original: InboxConfig) -> tuple[str, str]:
        """The task and the label by whose names the file's folders are called."""
        parts = Path(work.claim.name).parts
        if len(parts) < 3:
            raise UnreadableFile(f"{work.shown}: a correction belongs into a folder <task>/<label>; move it there")
        task, label = parts[0], unquote(parts[1])
        if not is_unicode(label):
            raise UnreadableFile(f"{work.shown}: the name of its folder is not UTF-8, and so no label; rename it")
        if task not in original.tasks:
            raise UnreadableFile(
                f"{work.shown}: {task!r} is no task of inbox {original.name}.{nearest(task, list(original.tasks))}"
            )
        labels, kind = self._known(task)
        if kind == "token":
            raise UnreadableFile(f"{work.shown}: {task} marks stretches of text, which no folder can say")
        if labels and label not in labels:
            raise UnreadableFile(f"{work.shown}: {label!r} is no label of {task}.{nearest(label, labels)}")
        return task, label

    def _known(self, task: str) -> tuple[list[str], str]:
        """The labels of the model in service, and what kind it is; none for a task without models."""
        with contextlib.suppress(BundleError):
            version = self._store.current(task)
            if version is not None:
                manifest = self._store.open(task, version).manifest
                return list(manifest["labels"]), str(manifest.get("kind", ""))
        return [], ""


def _texts(work: Work) -> Iterator[str]:
    """The texts of a file, one at a time, from the part that a worker wrote of it."""
    with work.result.open("rb") as part:
        for line in part:
            record: dict[str, Any] = json.loads(line)
            fault = record["errors"].get("record")
            if fault is not None:
                raise UnreadableFile(f"{work.shown}: record {record['index']}: {fault['message']}")
            yield record["text"]


def _model(task: str, origin: Entry | None) -> str:
    """What had answered; empty if that is not known."""
    if origin is None:
        return ""
    version = origin.versions.get(task)
    return task if version is None else f"{task}@{version}"


def _owner(path: str) -> str:
    """Whose file it is: who moved it no file system says."""
    number = os.lstat(path).st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _log(correction: Correction) -> None:
    log.info(
        "corrected",
        file=correction.source,
        inbox=correction.inbox,
        task=correction.task,
        label=correction.label,
        spans=None if correction.spans is None else len(correction.spans),
        said=correction.said,
        model=correction.model,
        who=correction.who,
    )
