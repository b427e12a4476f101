"""What is held back for a while, and why: tasks that fail on everything, folders that cannot be used."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
SICK_JOBS = 3
"""So many jobs in a row in which a task failed on every record trip its breaker."""


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

    def next_due(self, now: float) -> float | None:
        """Seconds until the next hold may be tried again; None if there is none."""
        return min((hold.until - now for hold in self._holds.values() if hold.until > now), default=None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._holds)


class Breakers:
    """One breaker per task: it trips when the task cannot be loaded, or fails on all it is given, again and again."""

    def __init__(self) -> None:
        self.holds = Holds()
        self._sick: dict[str, int] = {}

    def failed(self, task: str, reason: str) -> bool:
        """The task failed on everything in a job; True if that trips the breaker."""
        self._sick[task] = self._sick.get(task, 0) + 1
        return self._sick[task] >= SICK_JOBS and self.trip(task, reason)

    def trip(self, task: str, reason: str) -> bool:
        """The task cannot work at all now; True if that is news."""
        return self.holds.hold(task, reason)

    def worked(self, task: str) -> bool:
        """The task answered; True if its breaker had tripped."""
        self._sick.pop(task, None)
        return self.holds.release(task)

    def tripped(self, task: str) -> bool:
        """Whether the task's inputs have to wait now."""
        return self.holds.held(task)
