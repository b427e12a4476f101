"""From an input's work to the jobs that its workers are given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from classifyd.config import DaemonConfig
from classifyd.jobs import Annotate, Assemble, CutUp, Job, Observe
from classifyd.pipeline.breadcrumb import CHORE
from classifyd.planning import Waiting
from classifyd.service.work import Work
from classifyd.workers import Pins

SECONDS_PER_MIB_AND_TASK = 120.0
"""A generous bound: the slowest machine that anyone would use. A worker past it hangs."""

OBSERVERS_SECONDS = 60.0
"""A worker that has just begun loads its plugins first."""


@dataclass(frozen=True, slots=True)
class Order:
    """A job to be given out: `make` completes it with the breadcrumb file of the worker that gets it."""

    works: tuple[Work, ...]
    make: Callable[[str], Job]
    deadline_seconds: float
    items: tuple[Waiting, ...] = ()

    @property
    def pins(self) -> Pins:
        """The versions that have to be loaded for it."""
        return self.works[0].key.tasks if self.items else ()

    @property
    def risky(self) -> bool:
        """Whether a daemon has ended over it: only one such job is under way, so that none is blamed for another's."""
        numbers = [item.split.number for item in self.items] or [CHORE] * len(self.works)
        pairs = zip(self.works, numbers, strict=True)
        return any(suspect.is_whole for work, number in pairs for suspect in work.suspects.get(number, ()))


def annotate(works: Sequence[Work], items: Sequence[Waiting], config: DaemonConfig) -> Order:
    """Annotate splits of inputs that share a key."""
    work = works[0]
    mib = sum(item.size for item in items) / 2**20
    deadline = (
        config.load_seconds + config.record_seconds * len(items) + SECONDS_PER_MIB_AND_TASK * mib * len(work.tasks)
    )

    def make(crumb: str) -> Job:
        splits = tuple(item.split for item in items)
        return Annotate(
            splits, work.tasks, work.reading, work.format, work.writing, crumb, config.threads, config.device
        )

    return Order(tuple(works), make, deadline, tuple(items))


def cut(work: Work, config: DaemonConfig) -> Order:
    """Cut a large input up, or spool it."""
    claim = work.claim
    job = CutUp(claim.id, claim.path, claim.name, work.split_bytes, work.reading, str(work.spool), work.below)
    return Order((work,), lambda _: job, config.load_seconds + _reading_seconds(work))


def assemble(work: Work, config: DaemonConfig) -> Order:
    """Put the parts of a large input together."""
    assert work.plan is not None
    parts = tuple(str(work.part(number)) for number in range(len(work.plan.cuts)))
    job = Assemble(work.claim.id, parts, str(work.result), work.format)
    return Order((work,), lambda _: job, config.load_seconds + _reading_seconds(work))


def observe(job: Observe, config: DaemonConfig) -> Order:
    """Tell observing plugins what was done. Their deadline is short: a worker that waits for one is missed."""
    return Order((), lambda _: job, min(OBSERVERS_SECONDS, config.load_seconds))


def _reading_seconds(work: Work) -> float:
    """A bound for going through the whole input once, unpacked: a megabyte a second, a hundred times its size."""
    return 100 + work.claim.size / 2**20 * 10
