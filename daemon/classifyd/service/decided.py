"""Inputs that wait in review go on to done once all that was doubtful of them has been decided on the status page.

A thread looks who has said what of which file; the main loop moves it. The ledger has the place before the file does:
a crash in between leaves the file in review, from where the next look moves it.
"""

import errno
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import structlog

from classifyd.config import DELETE, CorrectionsInbox, InboxConfig
from classifyd.errors import DiskFault
from classifyd.inbox.claims import unchanged
from classifyd.inbox.moves import free_names, move, reachable, shown
from classifyd.inbox.removing import Known, remove_known
from classifyd.inbox.scan import look
from classifyd.ledger import Decision, Entry, Ledger, LedgerView
from classifyd.reports import PartReport
from classifyd.service.places import done_folder
from classifyd.web.doubts import doubts
from classifyd.web.recent import Output

log = structlog.get_logger()

REST_SECONDS = 600.0
"""So long after the last word on it a file stays where it is: people take back what they have said."""

PAUSE_SECONDS = 60.0
STEP = 50
"""So many files are moved in a turn of the main loop."""


@dataclass(frozen=True, slots=True)
class Decided:
    """An input in review of which nothing is doubtful any more: where it lies, and its labels as they are right."""

    entry: Entry
    inbox: InboxConfig
    place: Path
    labels: Mapping[str, str]


class Reviewed:
    """Has files looked for and moves them when the main loop has it do so."""

    def __init__(self, inboxes: Sequence[InboxConfig], ledger: Ledger, state: Path) -> None:
        self._ledger = ledger
        self._path = state / "ledger.sqlite"
        self._found: SimpleQueue[Decided] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._next = 0.0
        self._left: set[str] = set()
        self.heed(inboxes)

    def heed(self, inboxes: Sequence[InboxConfig]) -> None:
        """From now on look into the review folders of these."""
        self._inboxes = tuple(
            inbox
            for inbox in inboxes
            if inbox.review is not None and inbox.take == "move" and not isinstance(inbox, CorrectionsInbox)
        )

    def go_on(self) -> None:
        """Move some of what was found, and have the next look taken if it is time."""
        for _ in range(STEP):
            try:
                self._move_on(self._found.get_nowait())
            except Empty:
                break
        if not self._inboxes or time.monotonic() < self._next or (self._thread and self._thread.is_alive()):
            return
        self._next = time.monotonic() + PAUSE_SECONDS
        self._thread = threading.Thread(target=self._look, args=(self._inboxes,), name="reviewed", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the look after the file that it is at."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _move_on(self, one: Decided) -> None:
        entry = one.entry
        try:
            place = self._removed(one) if one.inbox.done == DELETE else self._moved(one)
        except FileNotFoundError:  # somebody else has taken it
            return
        except (OSError, DiskFault) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            if isinstance(error, OSError) and error.errno == errno.EXDEV:
                why = "done is on another file system"
            if entry.claim.id not in self._left:
                self._left.add(entry.claim.id)
                log.warning("left_in_review", file=shown(entry.claim.name), inbox=one.inbox.name, error=why)
            return
        log.info("reviewed", file=shown(entry.claim.name), inbox=one.inbox.name, place=place)

    def _moved(self, one: Decided) -> str:
        claim = one.entry.claim
        folder = done_folder(one.inbox.done, PartReport(claim.id, 0, one.entry.records, labels=one.labels))
        planned = folder / reachable(folder, claim.name)
        self._note(claim.id, planned)
        place = move(str(one.place), folder, claim.name, below=one.inbox.review, across=False)
        if place != planned:
            self._note(claim.id, place)
        return str(place)

    def _note(self, claim: str, place: Path) -> None:
        with self._ledger.commit():
            self._ledger.placed(claim, str(place))

    @staticmethod
    def _removed(one: Decided) -> None:
        assert one.inbox.review is not None
        claim = one.entry.claim
        remove_known(one.inbox.review, one.place, Known(claim.size, claim.mtime_ns), float("inf"))

    # ------------------------------------------------------------------ in the thread

    def _look(self, inboxes: Sequence[InboxConfig]) -> None:
        try:
            with closing(LedgerView(self._path)) as view:
                for inbox in inboxes:
                    for one in decided(inbox, view, time.time() - REST_SECONDS):
                        if self._stopped.is_set():
                            return
                        self._found.put(one)
        except (OSError, sqlite3.Error) as error:
            log.warning("review_not_looked_at", error=str(error), consequence="what is decided stays there for now")


def decided(inbox: InboxConfig, view: LedgerView, before: float) -> Iterator[Decided]:
    """The files in an inbox's review folder of which all that is doubtful was decided before a time (epoch seconds)."""
    assert inbox.review is not None
    for source, decisions in view.decisions(inbox.name).items():
        for place in free_names(inbox.review / source):
            found = look(str(place), source)
            if found is None:
                break
            entry = view.origin(inbox.name, Path(source).name, found.size, found.mtime_ns)
            if entry is None or shown(entry.claim.name) != source or not unchanged(found, entry.claim):
                continue
            labels = _labels(entry, inbox, decisions, before)
            if labels is not None:
                yield Decided(entry, inbox, place, labels)


def _labels(
    entry: Entry, inbox: InboxConfig, decisions: Mapping[str, Decision], before: float
) -> Mapping[str, str] | None:
    """The labels of an input as people have put them right; None while something of it is doubtful, or may be again."""
    found = list(doubts(Output.of(entry, inbox.output)))
    said = [decisions.get(doubt.key) for doubt in found]
    if not said or any(one is None or one.at > before for one in said):
        return None
    right = {doubt.task: one.label for doubt, one in zip(found, said, strict=True) if one is not None and one.label}
    return {**entry.labels, **right}
