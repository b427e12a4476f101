"""What is held back for a while, and why: tasks that fail on everything, folders that cannot be used."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from classifyd.pipeline.breadcrumb import Range

log = structlog.get_logger()

LEDGER = "the ledger"
"""The hold on everything while the ledger cannot be written; no inbox can have this name."""

OBSERVERS = "the observers"
"""The hold on telling plugins what was done, while telling them ends workers."""

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
SICK_JOBS = 3
"""So many jobs in a row in which a task failed on every record trip its breaker; or so many ranges of records, none
within another, on which it ended its worker without having answered a single one."""


@dataclass(slots=True)
class Hold:
    """Something held back until a monotonic time, with the reason that `status` shows."""

    reason: str
    until: float
    pause: float


class Holds:
    """Named holds; each one that comes back at once lasts twice as long as before."""

    def __init__(self) -> None:
        self._holds: dict[str, Hold] = {}

    def hold(self, name: str, reason: str) -> bool:
        """Hold a thing back; True if it was not held for that reason already (the moment to log it)."""
        before = self._holds.get(name)
        pause = min(before.pause * 2, LONGEST_PAUSE_SECONDS) if before else FIRST_PAUSE_SECONDS
        self._holds[name] = Hold(reason, time.monotonic() + pause, pause)
        return before is None or before.reason != reason

    def hold_for(self, name: str, error: Exception, consequence: str) -> None:
        """Hold a thing back for an error, and log it if that is news."""
        what = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
        if self.hold(name, what):
            log.warning("held", what=name, error=what, consequence=consequence)

    def release(self, name: str) -> bool:
        """The thing works again; True if it was held."""
        return self._holds.pop(name, None) is not None

    def held(self, name: str) -> bool:
        """Whether it is to be left alone now. When its time is up it may be tried; it stays noted until released."""
        hold = self._holds.get(name)
        return hold is not None and time.monotonic() < hold.until

    def reasons(self) -> dict[str, str]:
        """Everything that is held or was not seen to work since, with its reason."""
        return {name: hold.reason for name, hold in self._holds.items()}


class Breakers:
    """One breaker per task: it trips when the task cannot be loaded, or fails on all it is given, again and again."""

    def __init__(self) -> None:
        self.holds = Holds()
        self._sick: dict[str, int] = {}
        self._deadly: dict[str, list[Sequence[Range]]] = {}

    def failed(self, task: str, reason: str) -> bool:
        """The task failed on everything in a job; True if its inputs have to wait, now that it did so too often."""
        self._sick[task] = self._sick.get(task, 0) + 1
        if self._sick[task] < SICK_JOBS:
            return False
        self.trip(task, reason)
        return True

    def died(self, task: str, ranges: Sequence[Range], reason: str) -> bool:
        """The task ended its worker over some records, before it had answered any.

        True if its inputs have to wait, now that it did so on too many others; then no record is to blame.
        """
        # While one record is sought, each range lies in the one before: all of them are one death.
        others = [before for before in self._deadly.get(task, ()) if not _meet(before, ranges)]
        self._deadly[task] = [*others[-SICK_JOBS:], ranges]
        if len(self._deadly[task]) < SICK_JOBS:
            return False
        self.trip(task, reason)
        return True

    def trip(self, task: str, reason: str) -> None:
        """The task cannot work at all now."""
        if self.holds.hold(task, reason):
            log.error("task_held", task=task, error=reason, consequence="its inputs wait")

    def worked(self, task: str) -> bool:
        """The task answered; True if its breaker had tripped."""
        self._sick.pop(task, None)
        self._deadly.pop(task, None)
        return self.holds.release(task)

    def tripped(self, task: str) -> bool:
        """Whether the task's inputs have to wait now."""
        return self.holds.held(task)


def _meet(some: Sequence[Range], others: Sequence[Range]) -> bool:
    """Whether any record is in both."""
    return any(
        (one.claim, one.number) == (other.claim, other.number) and one.start < other.end and other.start < one.end
        for one in some
        for other in others
    )
