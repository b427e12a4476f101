"""A worker in an actor of Ray, as the daemon sees it: the same as a process of this machine, only elsewhere."""

import contextlib
import itertools
import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from classifyd.errors import DiskFault
from classifyd.jobs import Annotate, Assemble, CutUp, Job, Observe
from classifyd.pipeline import breadcrumb
from classifyd.pipeline.breadcrumb import Crumb
from classifyd.pipeline.parts import Drafts
from classifyd.reports import JobReport
from classifyd.values import Fault
from classifyd.workers.demands import Demands
from classifyd.workers.keeper import Letter
from classifyd.workers.line import Garbled, unpickled
from classifyd.workers.parcels import Packing, Stored, Unfit
from classifyd.workers.process import START_SECONDS, Died, Process
from classifyd.workers.raised import lines
from classifyd.workers.slots import Lent, Slot
from classifyd.workers.worker import Terms

LOOK_SECONDS = 0.5
"""How often a job's actor, its deadline and the wish to end it are looked at."""
GRACE_SECONDS = 30.0
"""An actor ends a worker on its deadline; one that has not said so after that has gone, or cannot be reached."""

_keys = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Contract:
    """What all remote workers of a shift have in common.

    With `packing`, inputs, parts and bundles travel with the jobs; what needs the daemon's own disk is then done by
    processes that `hire_here` begins on this machine. `aside` has something done by a thread that may wait for Ray.
    """

    terms: Terms
    demands: Demands
    packing: Packing | None
    hire_here: Callable[[Terms, str], Process]
    aside: Callable[[Callable[[], None]], object]


class RemoteProcess:
    """A worker process in a slot's actor; the actor is had, and the process begun, with the first job."""

    def __init__(self, slot: Slot, contract: Contract, crumb_path: str) -> None:
        self.start_seconds = slot.start_seconds + START_SECONDS
        self._slot = slot
        self._contract = contract
        self._crumb_path = crumb_path
        self._key = next(_keys)
        self._lent: Lent | None = None
        self._chores: Process | None = None
        self._left: Crumb | None = None
        self._ending = threading.Event()
        self._begun = False

    @property
    def node(self) -> str:
        """Where it runs; empty before it does."""
        lent = self._lent or self._slot.lent
        return lent.node if lent else ""

    @property
    def pid(self) -> int | None:
        """Only of what runs on this machine for it."""
        return self._chores.pid if self._chores else None

    @property
    def alive(self) -> bool:
        """Whether its actor is still the slot's; one that has none yet is only about to begin."""
        return not self._ending.is_set() and (self._lent is None or self._lent is self._slot.lent)

    @property
    def available(self) -> bool:
        """Whether its slot has an actor."""
        return self._slot.lent is not None

    def run(self, number: int, job: Job, seconds: float) -> JobReport:
        """Have a job done within so many seconds; its report. Died if the worker did, or its node."""
        if self._contract.packing is not None and isinstance(job, CutUp | Assemble | Observe):
            return self._run_here(number, job, seconds)
        with contextlib.suppress(OSError):
            Path(self._crumb_path).write_bytes(b"")
        self._left = None
        lent = self._take_up()
        letter = Letter(self._contract.terms, self._contract.demands, self._crumb_path, number, job, seconds)
        if self._contract.packing is not None:
            return self._run_with_files(lent, letter, self._contract.packing)
        return self._understood(self._answer(lent, letter, {}))[0]

    def crumb(self) -> Crumb | None:
        """What it left: as its actor told, or, where that is gone too, as it lies in the folder that both see."""
        if self._left is not None or self._contract.packing is not None:
            return self._left
        return breadcrumb.read(self._crumb_path)

    def end(self) -> None:
        """Have it ended; nothing is waited for."""
        self._ending.set()
        lent = self._lent
        if lent is not None and lent is self._slot.lent:
            self._contract.aside(partial(_have_ended, lent.actor, self._key))
        if self._chores is not None:
            self._chores.end()

    def close(self) -> None:
        """Give back what it held here."""
        if self._chores is not None:
            self._chores.close()

    # ------------------------------------------------------------------ there

    def _take_up(self) -> Lent:
        """The slot's actor; the same as before if there was one. Died if there is none to be had, or it has changed."""
        if self._lent is None:
            self._lent = self._slot.wait(self._ending)
        if self._lent is None or self._lent is not self._slot.lent:
            raise Died(self._slot.problem or "its actor is gone")
        return self._lent

    def _run_with_files(self, lent: Lent, letter: Letter, packing: Packing) -> JobReport:
        """Have a job done that takes along what it reads, and bring its parts home."""
        try:
            packed = packing.packed(letter.job)
        except Unfit as unfit:
            return unfit.report
        letter = replace(letter, crumb_path=None, job=packed.job, parcel=packed.parcel)
        report, parts = self._understood(self._answer(lent, letter, packed.stored))
        wanted = {split.part for split in letter.job.splits} if isinstance(letter.job, Annotate) else set()
        if not parts.keys() <= wanted:
            raise Died("it sent parts that nobody asked for")
        try:
            with Drafts() as drafts:
                for path, data in parts.items():
                    drafts.write(Path(path), partial(_fill, data))
                drafts.name()
        except (DiskFault, OSError) as error:
            return JobReport(fault=Fault(DiskFault.__name__, str(error)))
        return replace(report, parts=(*report.parts, *packed.faulty))

    def _answer(self, lent: Lent, letter: Letter, stored: Stored) -> bytes:
        import ray  # noqa: PLC0415  # only where the engine is Ray

        # What takes long before a job begins: a process that starts, and what it reads that has to be fetched.
        starting = START_SECONDS if letter.parcel is not None or not self._begun else 0.0
        deadline = time.monotonic() + starting + letter.seconds + GRACE_SECONDS
        with self._slot.busy():
            answer = self._waited_for(ray, lent, pickle.dumps(letter), stored, deadline)
        self._begun = True
        return answer

    def _waited_for(self, ray: Any, lent: Lent, letter: bytes, stored: Stored, deadline: float) -> bytes:
        try:
            ref = lent.actor.run.remote(self._key, letter, stored)
            while not ray.wait([ref], timeout=LOOK_SECONDS)[0]:
                if self._ending.is_set():
                    raise Died("it was ended")
                if time.monotonic() >= deadline:
                    self._slot.lose(lent)
                    raise Died(f"node {lent.node} did not answer; its actor was given up", with_node=True)
            answer: bytes = ray.get(ref)
        except Died:
            raise
        except Exception as error:  # whatever Ray says of it, the actor is no more, or of no use
            self._slot.lose(lent)
            raise Died(f"its actor on node {lent.node} is gone: {_first_line(error)}", with_node=True) from error
        return answer

    def _understood(self, answer: bytes) -> tuple[JobReport, dict[str, bytes]]:
        try:
            match unpickled(answer):
                case (JobReport() as report, "", bytes(), dict() as parts):
                    return report, parts
                case (None, str(death), bytes(crumb), dict()):
                    self._left = breadcrumb.parsed(crumb)
                    raise Died(death)
        except Garbled as error:
            raise Died(f"its report cannot be read: {error}") from error
        raise Died("its report cannot be read: it is none")

    # ------------------------------------------------------------------ here

    def _run_here(self, number: int, job: Job, seconds: float) -> JobReport:
        """What needs the daemon's own disk: cutting, assembly, observers."""
        if self._chores is None or not self._chores.alive:
            if self._chores is not None:
                self._chores.close()
            self._chores = self._contract.hire_here(self._contract.terms, self._crumb_path)
        try:
            return self._chores.run(number, job, seconds)
        except Died:
            self._chores.end()
            self._left = self._chores.crumb()
            raise


def _have_ended(actor: Any, key: int) -> None:
    """Through ray:// the call returns at once, but to forget its answer Ray waits until the head's server has it."""
    with contextlib.suppress(Exception):  # Ray raises what it likes where the cluster is gone
        actor.end.remote(key)


def _fill(data: bytes, stream: BinaryIO) -> None:
    stream.write(data)


def _first_line(error: Exception) -> str:
    """What Ray says, without the pages that follow."""
    return f"{type(error).__name__}: {''.join(lines(error)[:1])}"[:300]
