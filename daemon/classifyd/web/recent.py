"""What happened lately, kept in memory: records by the minute for an hour, labels, the newest outputs' places."""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from classifyd.inbox.moves import shown
from classifyd.ledger import Entry
from classifyd.reports import FileReport, PartReport

MINUTES = 61
"""Sixty whole ones, and the one that runs."""
OUTPUTS = 40
MOST_LABELS = 200
"""So many labels are counted in a minute; a plugin may make up any number of them."""


@dataclass(frozen=True, slots=True)
class Output:
    """An input that ended, its answer's place (None without one), and when, in epoch seconds."""

    report: FileReport
    place: Path | None
    at: float

    @classmethod
    def of(cls, entry: Entry, folder: Path) -> "Output":
        """That of an input which the ledger knows to be finished, below its inbox's output folder."""
        claim, ended = entry.claim, entry.finished_at or entry.claim.claimed_at
        counts = (entry.records, entry.errors, entry.reviews)
        seconds = max(0.0, ended - claim.claimed_at)
        report = FileReport(claim.inbox, shown(claim.name), "published", *counts, entry.output, seconds)
        return cls(report, folder / entry.output, entry.finished_at or 0.0)


@dataclass(slots=True)
class Minute:
    """What workers were through with in one minute since the boot; `labels` counts (task, label) pairs."""

    number: int
    records: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    labels: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class Totals:
    """Sums over all inputs of an inbox that ever ended."""

    done: int = 0
    records: int = 0
    errors: int = 0
    reviews: int = 0


class Recent:
    """Written by the main loop, read by the server's threads. `revision` changes with every output."""

    def __init__(self) -> None:
        self.revision = 0
        self._lock = threading.Lock()
        self._minutes: deque[Minute] = deque(maxlen=MINUTES)
        self._outputs: deque[Output] = deque(maxlen=OUTPUTS)
        self._doubtful: deque[Output] = deque(maxlen=OUTPUTS)
        self._totals: dict[str, Totals] = {}

    def begin(
        self,
        totals: dict[str, Totals],
        finished: Iterable[tuple[str, float, PartReport]],
        outputs: Iterable[Output] = (),
        doubtful: Iterable[Output] = (),
    ) -> None:
        """What the ledger remembers: sums, and the inputs of the last hour (inbox, time, counts), oldest first.

        `outputs` are the newest, newest first; `doubtful` those with records for review, which may be older.
        """
        with self._lock:
            self._totals = totals
            if not self._outputs:
                self._outputs.extend(outputs)
                self._doubtful.extend(doubtful)
                self.revision += 1
            if not self._minutes:  # else a daemon before this one, in this process, has counted
                for inbox, at, total in finished:
                    self._count(inbox, [total], at)

    def show(self, outputs: Iterable[Output]) -> None:
        """These are the newest, newest first."""
        with self._lock:
            self._outputs.clear()
            self._outputs.extend(outputs)
            self.revision += 1

    def worked(self, inbox: str, parts: Iterable[PartReport], at: float) -> None:
        """A worker is through with some parts, at `at` (epoch seconds)."""
        with self._lock:
            self._count(inbox, parts, at)

    def finished(self, report: FileReport, place: Path | None, at: float) -> None:
        """An input has ended."""
        with self._lock:
            if report.state == "published":
                totals = self._totals.setdefault(report.inbox, Totals())
                totals.done += 1
                totals.records += report.records
                totals.errors += report.errors
                totals.reviews += report.reviews
            output = Output(report, place, at)
            self._outputs.appendleft(output)
            if report.state == "published" and report.reviews:
                self._doubtful.appendleft(output)
            self.revision += 1

    # ------------------------------------------------------------------ as it is shown

    def outputs(self) -> list[Output]:
        """The newest inputs that ended, newest first."""
        with self._lock:
            return list(self._outputs)

    def doubtful(self) -> list[Output]:
        """The newest of them that have records for review, newest first."""
        with self._lock:
            return list(self._doubtful)

    def totals(self, inbox: str) -> Totals:
        """The sums of an inbox."""
        with self._lock:
            found = self._totals.get(inbox, Totals())
            return Totals(found.done, found.records, found.errors, found.reviews)

    def throughput(self) -> list[dict[str, int]]:
        """Records by inbox for each of the last sixty minutes, oldest first, and for the one that runs."""
        with self._lock:
            known = {minute.number: dict(minute.records) for minute in self._minutes}
        last = _minutes_up()
        return [known.get(number, {}) for number in range(last - MINUTES + 1, last + 1)]

    def labels(self) -> dict[str, dict[str, int]]:
        """How often each label came out in the last hour, by task, most frequent first."""
        total: Counter[tuple[str, str]] = Counter()
        first = _minutes_up() - MINUTES
        with self._lock:
            for minute in self._minutes:
                if minute.number > first:
                    total.update(minute.labels)
        mix: dict[str, dict[str, int]] = {}
        for (task, label), count in total.most_common():
            mix.setdefault(task, {})[label] = count
        return mix

    def _count(self, inbox: str, parts: Iterable[PartReport], at: float) -> None:
        minute = self._minute(at)
        for part in parts:
            minute.records[inbox] += part.records
            minute.errors += part.errors
            for task, labels in part.counts.items():
                for label, count in labels.items():
                    if (task, label) in minute.labels or len(minute.labels) < MOST_LABELS:
                        minute.labels[task, label] += count

    def _minute(self, at: float) -> Minute:
        """The minute of a moment; what is late counts for the newest."""
        number = _minutes_up(ago=max(0.0, time.time() - at))
        if not self._minutes or self._minutes[-1].number < number:
            self._minutes.append(Minute(number))
        return self._minutes[-1]


def _minutes_up(ago: float = 0.0) -> int:
    """The whole minutes from the boot to so many seconds ago: the wall clock may be far off for a moment."""
    return int((time.clock_gettime(time.CLOCK_BOOTTIME) - ago) // 60)
