"""Sweeps: what is older than an inbox's retention allows is removed, a few files at a time, beside the main loop.

The ledger knows where inputs and outputs were put and what they were like; of the quarantine the reason files tell. A
thread removes files and makes sure of it, then the main loop has the ledger forget them: what a kill leaves half done
is found again by the next sweep, gone.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import structlog

from classifyd.config import InboxConfig
from classifyd.config.folders import fixed_part
from classifyd.disk import fsync_folders
from classifyd.errors import DiskFault
from classifyd.inbox.removing import Known, old_in_quarantine, remove_known, remove_quarantined
from classifyd.ledger import START, Aged, Kind, Ledger

log = structlog.get_logger()

STEP = 200
"""So many files, or rows, at a time."""

LONGEST_PAUSE_SECONDS = 600.0
KINDS: tuple[Kind, Kind] = ("done", "outputs")


@dataclass
class Swept:
    """What a sweep, or a step of one, has removed: files and rows by what they were, and the files' bytes."""

    counts: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    claims: list[str] = field(default_factory=list)
    """Inputs whose file the ledger can forget."""
    error: str = ""
    """The first of those that kept files from being removed."""

    def add(self, other: "Swept") -> None:
        """Sum up."""
        self.counts += other.counts
        self.bytes += other.bytes
        self.error = self.error or other.error


Step = Callable[[], Swept]
"""What the thread is given to do."""


class Retention:
    """Takes steps when the main loop has it do so. `told` is called from another thread when one is through."""

    def __init__(
        self,
        inboxes: Sequence[InboxConfig],
        ledger: Ledger,
        *,
        told: Callable[[], None],
        removed: Callable[[str, int, int], None],
    ) -> None:
        self._inboxes = inboxes
        self._ledger = ledger
        self._told = told
        self._removed = removed
        self._pause = _pause(inboxes)
        self._next = 0.0
        self._sweep: Iterator[None] | None = None
        self._begun = 0.0
        self._total = Swept()
        self._asked: SimpleQueue[Step | None] = SimpleQueue()
        self._done: SimpleQueue[Swept] = SimpleQueue()
        self._busy = False
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.swept_once = self._pause is None
        """Whether a sweep has come to its end, or there is nothing to sweep."""

    def go_on(self) -> None:
        """Take the next step, if one is due and the thread is not at work; what cannot be done is left for later."""
        if self._busy and self._done.empty():
            return
        if self._sweep is None:
            if self._pause is None or time.monotonic() < self._next:
                return
            self._begun, self._total = time.monotonic(), Swept()
            self._sweep = self._steps()
        try:
            next(self._sweep)
        except StopIteration:
            self._end()
        except DiskFault as error:
            self._total.error = str(error)
            self._end()

    def heed(self, inboxes: Sequence[InboxConfig]) -> None:
        """From now on sweep these; a sweep that is under way goes on as it began."""
        self._inboxes = inboxes
        self._pause = _pause(inboxes)
        self._next = 0.0

    def stop(self) -> None:
        """End the thread after the file that it is at."""
        self._stopped.set()
        self._asked.put(None)
        if self._thread is not None:
            self._thread.join()

    # ------------------------------------------------------------------ one sweep

    def _steps(self) -> Iterator[None]:
        """One sweep: it stops at each step until the thread is through with it."""
        now, inboxes = time.time(), self._inboxes
        for inbox in inboxes:
            for kind in KINDS:
                length = getattr(inbox.retention, kind)
                if length is not None:
                    yield from self._files(inbox, kind, now - length)
            if inbox.retention.quarantine is not None:
                before = now - inbox.retention.quarantine
                yield from self._step("quarantine", partial(self._quarantine, inbox, before))
        for inbox in inboxes:
            if inbox.retention.ledger is not None and inbox.take == "move":
                yield from self._rows(inbox, now - inbox.retention.ledger)

    def _files(self, inbox: InboxConfig, kind: Kind, before: float) -> Iterator[None]:
        mark = START
        while files := self._ledger.aged(kind, inbox.name, before, after=mark, limit=STEP):
            mark = files[-1].mark
            yield from self._step(kind, partial(self._remove, inbox, kind, files, before))

    def _rows(self, inbox: InboxConfig, before: float) -> Iterator[None]:
        waits_for = waiting_for(inbox)
        while True:
            with self._ledger.commit():
                count = self._ledger.rows_removed(inbox.name, before, waits_for, STEP)
            self._add("ledger", Swept(Counter(ledger=count)))
            if count < STEP:
                return
            yield

    def _step(self, what: str, step: Step) -> Iterator[None]:
        """Have the thread take a step; then have the ledger know."""
        self._busy = True
        self._asked.put(step)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="retention", daemon=True)
            self._thread.start()
        yield
        swept = self._done.get()
        self._busy = False
        if swept.claims:
            with self._ledger.commit():
                self._ledger.forgotten("done" if what == "done" else "outputs", swept.claims)
        self._add(what, swept)

    def _add(self, what: str, swept: Swept) -> None:
        self._total.add(swept)
        self._removed(what, swept.counts[what], swept.bytes[what])

    def _end(self) -> None:
        self._sweep, self._next, self.swept_once = None, time.monotonic() + (self._pause or 0.0), True
        counts = {what: self._total.counts[what] for what in (*KINDS, "quarantine", "ledger")}
        tell = log.info if any(counts.values()) else log.debug
        seconds = round(time.monotonic() - self._begun, 3)
        tell("swept", **counts, bytes=sum(self._total.bytes.values()), seconds=seconds)
        if self._total.error:
            log.warning("not_swept", error=self._total.error, consequence="it is kept until the next sweep")

    # ------------------------------------------------------------------ in the thread

    def _run(self) -> None:
        while (step := self._asked.get()) is not None:
            try:
                self._done.put(step())
            except Exception as error:  # noqa: BLE001  # without an answer the main loop would wait for ever
                self._done.put(Swept(error=f"{type(error).__name__}: {error}"))
            self._told()

    def _remove(self, inbox: InboxConfig, kind: Kind, files: Sequence[Aged], before: float) -> Swept:
        swept, changed = Swept(), set()
        root = fixed_part(inbox.done) if kind == "done" else inbox.output
        if not root.is_dir():  # not mounted, perhaps: what lies there is not gone
            return Swept(error=f"{root}: is not there")
        for file in files:
            if self._stopped.is_set():
                break
            place = root / file.path  # a whole path stays what it is
            try:
                fate = remove_known(root, place, Known(file.size, file.mtime_ns), before)
            except OSError as error:
                swept.error = swept.error or f"{place}: {error.strerror}"
                continue
            if fate == "removed":
                swept.counts[kind] += 1
                swept.bytes[kind] += file.size
                changed.add(place.parent)
            if fate != "resting":
                swept.claims.append(file.claim)
        return _made_sure(swept, changed)

    def _quarantine(self, inbox: InboxConfig, before: float) -> Swept:
        swept, changed = Swept(), set()
        for item, size in old_in_quarantine(inbox, before):
            if self._stopped.is_set():
                break
            try:
                removed = remove_quarantined(item, before)
            except OSError as error:
                swept.error = swept.error or f"{item.place}: {error.strerror}"
                continue
            if removed:
                swept.counts["quarantine"] += 1
                swept.bytes["quarantine"] += size
                changed.add(item.place.parent)
        return _made_sure(swept, changed)


def waiting_for(inbox: InboxConfig) -> list[Kind]:
    """The kinds of files that have to be gone before a row may be: nothing else knows of them."""
    return [kind for kind in KINDS if getattr(inbox.retention, kind) is not None]


def _made_sure(swept: Swept, changed: set[Path]) -> Swept:
    """The same, once the removals are on the disk: a file that a power cut brought back would be known by nobody."""
    try:
        fsync_folders(folder for folder in changed if folder.is_dir())
    except OSError as error:
        swept.claims.clear()
        swept.error = swept.error or f"{error.filename}: {error.strerror}"
    return swept


def _pause(inboxes: Sequence[InboxConfig]) -> float | None:
    """The seconds from one sweep to the next: a tenth of what is kept for the shortest time; None for no sweeps."""
    kept = (getattr(inbox.retention, name) for inbox in inboxes for name in (*KINDS, "quarantine", "ledger"))
    shortest = min((length for length in kept if length is not None), default=None)
    return None if shortest is None else min(LONGEST_PAUSE_SECONDS, max(1.0, shortest / 10))
