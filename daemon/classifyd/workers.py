"""The pool: local processes that run jobs, each killed on a deadline and replaced with its children.

Each worker is a pebble pool of its own with one process, so that what breaks a pool (an idle worker killed, a start
that failed) concerns one worker only, and its job is known. Deadlines go by the monotonic clock: pebble's own go by the
wall clock, which may be set.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pebble import ProcessExpired, ProcessPool

from classifyd import logs, pipeline
from classifyd.jobs import Job, JobReport
from classifyd.pipeline import breadcrumb
from classifyd.pipeline.breadcrumb import Crumb

_PR_SET_PDEATHSIG = 1
OOM_SCORE = 500
"""So much a worker's oom_score_adj (proc(5)) is above the daemon's, out of a thousand."""
STUCK_SECONDS = 60.0
"""A worker that still has its job so long after the deadline cannot be ended: ending one takes some seconds."""

Pins = Sequence[tuple[str, int | None]]
"""Tasks, each with the version of its bundle."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: its report, or why the worker died and what it was doing then.

    `lost` means that the worker was gone before it began: nothing can be blamed for that.
    """

    number: int
    job: Job
    report: JobReport | None = None
    death: str = ""
    crumb: Crumb | None = None
    lost: bool = False


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
        """Kill what is past its deadline; called every so often."""
        ...

    def stop(self) -> None:
        """End every worker."""
        ...


class LocalWorkers:
    """Worker processes on this machine. `done` is called from another thread with each outcome.

    `crumbs` is what the names of their breadcrumb files begin with.
    """

    def __init__(
        self, count: int, crumbs: Path, done: Callable[[Outcome], None], log_format: logs.Format, log_level: str
    ) -> None:
        crumbs.parent.mkdir(parents=True, exist_ok=True)
        self._workers = [_Worker(f"{crumbs}-{place}", done, (log_format, log_level)) for place in range(count)]

    @property
    def busy(self) -> int:
        """How many workers have a job."""
        return sum(worker.busy for worker in self._workers)

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
        """Kill workers that are past their job's deadline."""
        for worker in self._workers:
            worker.check(time.monotonic())

    def stop(self) -> None:
        """End every worker, whatever it is doing."""
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.join()

    def _give(
        self, workers: Sequence["_Worker"], number: int, make: Callable[[str], Job], deadline_seconds: float
    ) -> None:
        worker = next(worker for worker in workers if not worker.busy)
        worker.start(number, make(worker.crumb_path), deadline_seconds)


class _Worker:
    """One process, replaced when it dies, and the job it has. It is `cold` until its process has done a job."""

    def __init__(self, crumb_path: str, done: Callable[[Outcome], None], logging: tuple[logs.Format, str]) -> None:
        self.crumb_path = crumb_path
        self.deadline = 0.0
        self.cold = True
        self._done = done
        self._logging = logging
        self._pool = self._new_pool()
        self._future: Future[JobReport] | None = None
        self._overdue = False

    @property
    def busy(self) -> bool:
        return self._future is not None

    def start(self, number: int, job: Job, deadline_seconds: float) -> None:
        with contextlib.suppress(OSError):  # on a full disk an old crumb stays, of a job that was done
            Path(self.crumb_path).write_bytes(b"")  # emptied, not removed: the worker keeps it open
        self._overdue = False
        self.deadline = time.monotonic() + deadline_seconds
        try:
            future = self._pool.schedule(pipeline.run, args=(job,))
        except RuntimeError:
            # The pool broke while idle (its process was killed): nobody's fault, so a new one takes the job.
            self._replace_pool()
            future = self._pool.schedule(pipeline.run, args=(job,))
        self._future = future
        future.add_done_callback(lambda ended: self._ended(number, job, ended))

    def check(self, now: float) -> None:
        future = self._future  # it may end, in another thread, between two looks
        if future is not None and now >= self.deadline and not self._overdue:
            self._overdue = True
            future.cancel()
            self._replace_pool()  # the killed process may have held the pool's own lock

    def stop(self) -> None:
        self._pool.stop()

    def join(self) -> None:
        self._pool.join()
        with contextlib.suppress(OSError):
            Path(self.crumb_path).unlink()

    def _ended(self, number: int, job: Job, future: Future[JobReport]) -> None:
        outcome = self._outcome(number, job, future)
        self.cold = outcome.report is None
        self._future = None
        self._done(outcome)

    def _outcome(self, number: int, job: Job, future: Future[JobReport]) -> Outcome:
        crumb = breadcrumb.read(self.crumb_path)
        try:
            return Outcome(number, job, future.result())
        except CancelledError:
            self._end_children(crumb)
            return Outcome(number, job, death="it took longer than its deadline and was killed", crumb=crumb)
        except ProcessExpired as error:
            self._end_children(crumb)
            return Outcome(number, job, death=_how(error.exitcode), crumb=crumb)
        except Exception as error:  # noqa: BLE001  # a broken pool, or a report that cannot be sent: the worker is gone
            lost = crumb is None and isinstance(error, BrokenProcessPool)
            return Outcome(number, job, death=f"{type(error).__name__}: {error}", crumb=crumb, lost=lost)

    def _end_children(self, crumb: Crumb | None) -> None:
        pid = breadcrumb.read_pid(self.crumb_path)
        if crumb is not None and pid is not None:
            # The worker made itself leader of a group; what its plugins started is in it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def _replace_pool(self) -> None:
        with contextlib.suppress(Exception):
            self._pool.stop()
            self._pool.join()
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPool:
        context = multiprocessing.get_context("spawn")
        arguments = (os.getpid(), *self._logging)
        return ProcessPool(max_workers=1, initializer=begin_worker, initargs=arguments, context=context)


def begin_worker(parent: int, log_format: logs.Format, log_level: str) -> None:
    """What a worker process does first: die with the daemon, lead its own group, keep stdout clean."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # the daemon died before the signal was asked for
    os.setpgid(0, 0)
    os.dup2(2, 1)
    _offer_to_die_first()
    logs.configure(log_format, log_level)


def _offer_to_die_first() -> None:
    """Where memory is short the kernel is to end a worker, which can be replaced, and not the daemon."""
    score = Path("/proc/self/oom_score_adj")
    with contextlib.suppress(OSError):  # a sandbox may show no /proc; to raise the score needs no privilege
        score.write_text(str(min(1000, int(score.read_text()) + OOM_SCORE)), encoding="ascii")


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"
