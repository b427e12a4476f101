"""What runs jobs, as the daemon sees it, and the process of one worker, wherever it runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from classifyd.jobs import Job
from classifyd.pipeline.breadcrumb import Crumb
from classifyd.reports import JobReport

Pins = Sequence[tuple[str, int | None]]
"""Tasks, each with the version of its bundle."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: its report, or why the worker died and what it was doing then.

    `lost` means that the worker was gone before it began: nothing can be blamed for that. `node` is where it was, empty
    for this machine; `with_node` means that what kept it there is gone too, which may be of no job's making.
    """

    number: int
    job: Job
    report: JobReport | None = None
    death: str = ""
    crumb: Crumb | None = None
    lost: bool = False
    node: str = ""
    with_node: bool = False


@dataclass(frozen=True, slots=True)
class NodeLevel:
    """How a node of a cluster fares: its actors, and the jobs that they have."""

    node: str
    actors: int
    jobs: int


class Engine(Protocol):
    """What runs jobs."""

    def free(self) -> int:
        """How many jobs it can take right now."""
        ...

    def submit(self, number: int, make: Callable[[str], Job], deadline_seconds: float, pins: Pins = ()) -> None:
        """Run a job. `make` is given the breadcrumb file that its worker will use.

        `pins` are the versions that the job's tasks are pinned to; none for a job without tasks.
        """
        ...

    def check(self) -> None:
        """Replace workers that are gone or worn; called every so often."""
        ...

    def stop(self) -> None:
        """End every worker."""
        ...


class WorkerProcess(Protocol):
    """A worker's process, wherever it runs: what the two engines have in common, and all that they differ in.

    `available` says whether a job given to it would begin at once, `start_seconds` how long it may take to be able to.
    None of these but `run` may keep the main loop.
    """

    start_seconds: float

    @property
    def node(self) -> str:
        """Where it runs; empty for this machine."""
        ...

    @property
    def pid(self) -> int | None:
        """Its number on this machine; None elsewhere."""
        ...

    @property
    def alive(self) -> bool:
        """Whether it is known to run still."""
        ...

    @property
    def available(self) -> bool:
        """Whether it can have a job."""
        ...

    def run(self, number: int, job: Job, seconds: float) -> JobReport:
        """Have a job done within so many seconds; its report. Died if the worker did, or had to be killed."""
        ...

    def crumb(self) -> Crumb | None:
        """What it left, once it has ended; None if it had not begun, or nobody knows."""
        ...

    def end(self) -> None:
        """Kill it and all that it started."""
        ...

    def close(self) -> None:
        """Give back what it held of this process's; nobody may be waiting for it any more."""
        ...


Hire = Callable[[int, str], WorkerProcess]
"""Begins the process of a worker, given the worker's place among the others and the path of its breadcrumb file."""
