"""The engine of a running daemon: the shift of workers that serves now, those it relieved, and one that gets ready.

A shift is a set of workers that have the same versions loaded. One that was relieved goes on with the inputs that are
pinned to its versions, so that neither they nor the new ones ever wait for a model to be loaded, and then ends.
"""

import itertools
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

from classifyd.jobs import Job
from classifyd.service.tasks import Versions
from classifyd.workers import Pins, Workers


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """Workers, and the versions that they have loaded."""

    versions: Versions
    workers: Workers

    def fits(self, pins: Pins) -> bool:
        """Whether a job pinned so finds its versions loaded here."""
        return all(self.versions.get(task) == version for task, version in pins)


class Shifts:
    """Workers in shifts, which together run no more jobs than one shift has workers.

    `make` makes workers; it is given a number of their own.
    """

    def __init__(self, count: int, make: Callable[[int], Workers]) -> None:
        self._count = count
        self._make = make
        self._numbers = itertools.count()
        self._serving: list[Shift] = []
        self._ready: Shift | None = None
        self._ending: list[threading.Thread] = []

    # ------------------------------------------------------------------ as an engine

    def free(self) -> int:
        """How many jobs can be taken right now."""
        left = self._count - sum(shift.workers.busy for shift in self._serving)
        return min(left, self._serving[0].workers.free) if self._serving else left

    def submit(self, number: int, make: Callable[[str], Job], deadline_seconds: float, pins: Pins = ()) -> None:
        """Run a job with the newest shift that has its versions loaded; the newest of all if none has."""
        self._for(pins).workers.submit(number, make, deadline_seconds)

    @property
    def count(self) -> int:
        """How many jobs can be run at a time."""
        return self._count

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of all workers."""
        return tuple(pid for shift in self._all() for pid in shift.workers.pids)

    @property
    def stuck(self) -> bool:
        """Whether a worker has a job that should long have been ended."""
        return any(shift.workers.stuck for shift in self._all())

    def check(self) -> None:
        """Kill workers that are past their job's deadline."""
        for shift in self._all():
            shift.workers.check()

    def stop(self) -> None:
        """End every worker, whatever it is doing."""
        for shift in self._all():
            self._end(shift)
        self._serving, self._ready = [], None
        for thread in self._ending:
            thread.join()

    # ------------------------------------------------------------------ as shifts

    def prepare(self, versions: Versions) -> Workers:
        """Workers that do not serve yet, for these versions to be loaded."""
        self.dismiss()
        self._ready = Shift(versions, self._make(next(self._numbers)))
        return self._ready.workers

    def dismiss(self) -> None:
        """End the shift that was getting ready, if there is one."""
        if self._ready is not None:
            self._end(self._ready)
            self._ready = None

    def relieve(self) -> None:
        """The shift that was getting ready takes over."""
        assert self._ready is not None
        self._serving.insert(0, self._ready)
        self._ready = None

    @property
    def relieved(self) -> int:
        """How many shifts were relieved and still have inputs to go on with."""
        return max(0, len(self._serving) - 1)

    def release(self, pinned: Collection[Pins]) -> None:
        """End the relieved shifts that have no job, and that no input pinned so will give one."""
        wanted = [self._for(pins) for pins in pinned]
        for shift in self._serving[1:]:
            if not shift.workers.busy and shift not in wanted:
                self._serving.remove(shift)
                self._end(shift)

    def _for(self, pins: Pins) -> Shift:
        return next((shift for shift in self._serving if shift.fits(pins)), self._serving[0])

    def _all(self) -> list[Shift]:
        return [*self._serving, *([self._ready] if self._ready else [])]

    def _end(self, shift: Shift) -> None:
        # Its processes take a moment to end, for which the main loop has no time.
        thread = threading.Thread(target=shift.workers.stop, name="shift-ending", daemon=True)
        thread.start()
        self._ending = [*(ending for ending in self._ending if ending.is_alive()), thread]
