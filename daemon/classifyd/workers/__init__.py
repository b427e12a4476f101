"""The workers: processes that run jobs, here or in actors of Ray, each killed on a deadline and replaced.

A busy worker has a thread that waits for it. It alone decides how the job ended, by what came over the line, by the
process and by the monotonic clock; nothing that a worker does or leaves undone can keep the main loop.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from classifyd.jobs import Job
from classifyd.workers.engine import Engine, Hire, NodeLevel, Outcome, Pins, WorkerProcess
from classifyd.workers.process import Died, Process
from classifyd.workers.worker import Terms

__all__ = ["Engine", "Hire", "NodeLevel", "Outcome", "Pins", "Terms", "WorkerProcess", "Workers", "local"]

log = structlog.get_logger()

STUCK_SECONDS = 60.0
"""A job that has not ended so long after its deadline never will: a worker is ended, or left behind, in seconds."""

PAUSE_SECONDS = 1.0
"""Before a job whose worker was gone before it began is given back: what keeps workers from starting may last."""


def local(terms: Terms) -> Hire:
    """Processes on this machine."""
    return lambda _, crumb_path: Process(terms, crumb_path)


class Workers:
    """So many workers, whose processes are begun by `hire`. `done` is called from another thread with each outcome.

    `crumbs` is what the names of their breadcrumb files begin with. `replaced` is told whenever one is, with what for:
    it "died", was "worn", or had ended while "idle".
    """

    def __init__(
        self,
        count: int,
        crumbs: Path,
        done: Callable[[Outcome], None],
        hire: Hire,
        replaced: Callable[[str], None] = lambda _: None,
    ) -> None:
        crumbs.parent.mkdir(parents=True, exist_ok=True)
        self._workers = [_Worker(place, f"{crumbs}-{place}", done, hire, replaced) for place in range(count)]

    @property
    def pids(self) -> list[int]:
        """Their processes, of those that have one."""
        return [pid for worker in self._workers if (pid := worker.pid) is not None]

    @property
    def busy(self) -> int:
        """How many workers have a job."""
        return sum(worker.busy for worker in self._workers)

    @property
    def free(self) -> int:
        """How many workers could begin a job at once."""
        return sum(worker.free for worker in self._workers)

    @property
    def stuck(self) -> bool:
        """Whether a worker has a job that should long have been ended."""
        now = time.monotonic()
        return any(worker.busy and now >= worker.deadline + STUCK_SECONDS for worker in self._workers)

    def submit(self, number: int, make: Callable[[str], Job], deadline_seconds: float) -> None:
        """Give a job to a free worker, sooner to one that is warm; there must be one."""
        self._give(sorted(self._workers, key=lambda worker: worker.cold), number, make, deadline_seconds)

    def warm(self, number: int, make: Callable[[str], Job], deadline_seconds: float) -> None:
        """The same, sooner to one that is cold: as many such jobs as there are workers reach each of them."""
        self._give(sorted(self._workers, key=lambda worker: not worker.cold), number, make, deadline_seconds)

    def check(self) -> None:
        """Replace workers that died or are worn, so that the next job finds one that has begun."""
        for worker in self._workers:
            worker.check()

    def stop(self) -> None:
        """End every worker, whatever it is doing."""
        for worker in self._workers:
            worker.stop()

    def _give(
        self, workers: Sequence["_Worker"], number: int, make: Callable[[str], Job], deadline_seconds: float
    ) -> None:
        idle = [worker for worker in workers if not worker.busy]
        worker = next((worker for worker in idle if worker.free), idle[0])
        worker.start(number, make(worker.crumb_path), deadline_seconds)


class _Worker:
    """A process, replaced when it dies, and the job it has. It is `cold` until its process has done a job.

    `busy` is given up by the waiting thread last of all: while it is False, everything belongs to the main loop.
    """

    def __init__(
        self,
        place: int,
        crumb_path: str,
        done: Callable[[Outcome], None],
        hire: Hire,
        replaced: Callable[[str], None],
    ) -> None:
        self.crumb_path = crumb_path
        self.cold = True
        self.busy = False
        self.deadline = 0.0
        self._place = place
        self._done = done
        self._hire = hire
        self._tell = replaced
        self._worn = False
        self._process: WorkerProcess | None = None
        self._thread: threading.Thread | None = None
        self._replaced = ""
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """Its process; None before it has one."""
        process = self._process
        return None if process is None else process.pid

    @property
    def free(self) -> bool:
        """Whether it could begin a job at once."""
        process = self._process
        return not self.busy and (process is None or process.available)

    def start(self, number: int, job: Job, deadline_seconds: float) -> None:
        self.busy = True
        problem = self._begin()
        starting = self._process.start_seconds if self.cold and self._process is not None else 0
        self.deadline = time.monotonic() + deadline_seconds + starting
        arguments = (number, job, deadline_seconds, problem)
        self._thread = threading.Thread(target=self._wait, args=arguments, name="waits-for-a-worker", daemon=True)
        self._thread.start()

    def check(self) -> None:
        if self.busy or self._process is None:
            return
        # One that ended before its first job would do so again: it is replaced when there is one.
        if self._replaced or not (self.cold or self._process.alive):
            self._begin()

    def stop(self) -> None:
        self._stopped = True
        if self._process is not None:
            self._process.end()
        if self._thread is not None:
            self._thread.join()
        if self._process is not None:
            self._process.close()
            self._process = None
        with contextlib.suppress(OSError):
            Path(self.crumb_path).unlink()

    def _begin(self) -> str:
        """Have a process that lives; why there is none."""
        if self._process is not None and not self._replaced and self._process.alive:
            return ""
        if self._process is not None:
            self._process.end()
            self._process.close()
            self._process = None
            log.info("worker_replaced", why=self._replaced or "it ended while it had nothing to do")
            self._tell(("worn" if self._worn else "died") if self._replaced else "idle")
        self.cold, self._replaced = True, ""
        try:
            self._process = self._hire(self._place, self.crumb_path)
        except OSError as error:
            return f"no worker can be started: {error.strerror}"
        return ""

    def _wait(self, number: int, job: Job, seconds: float, problem: str) -> None:
        """The thread of one job: however it ends, `done` is told and the worker is free again."""
        outcome = self._outcome(number, job, seconds, problem)
        report = outcome.report
        self.cold = report is None
        self._replaced = outcome.death if report is None else report.worn
        self._worn = report is not None
        if outcome.lost and not self._stopped:
            time.sleep(PAUSE_SECONDS)
        self.busy = False
        self._done(outcome)

    def _outcome(self, number: int, job: Job, seconds: float, problem: str) -> Outcome:
        process = self._process
        if process is None:
            return Outcome(number, job, death=problem, lost=True)
        try:
            return Outcome(number, job, process.run(number, job, seconds), node=process.node)
        except Died as death:
            why, with_node = str(death), death.with_node
        except Exception as error:  # noqa: BLE001  # whatever it is, the job must not be waited for without end
            why, with_node = f"{type(error).__name__}: {error}", False
        process.end()
        crumb = process.crumb()
        lost = crumb is None and not with_node
        return Outcome(number, job, death=why, crumb=crumb, lost=lost, node=process.node, with_node=with_node)
