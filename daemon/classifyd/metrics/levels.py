"""How the daemon fares at one moment, as Prometheus is told it at each scrape."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from classifyd import __version__
from classifyd.drift import Drift
from classifyd.progress import Progress
from classifyd.values import EMPTY
from classifyd.workers import NodeLevel

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class InboxLevel:
    """What lies in an inbox now: inputs that wait and that are claimed, and when the oldest of both was dropped.

    `paused` by somebody, none of it is begun.
    """

    waiting: int = 0
    claimed: int = 0
    oldest_at: float | None = None
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Levels:
    """How the daemon fares at one moment. `pids` are the workers' processes; `held` names inboxes, tasks and the like.

    `serving` has the version that serves each task (None for one without models), `refused` tasks with a version that
    could not take over. `notices` are those that wait, by receiver; `drift` is how far tasks have parted from what
    their models said when they were made. `nodes` are those of a cluster; none where workers are on this machine.
    `progress` is how far the large inputs are.
    """

    ready: bool = False
    inboxes: Mapping[str, InboxLevel] = EMPTY
    workers: int = 0
    busy: int = 0
    pids: tuple[int, ...] = ()
    waiting_splits: int = 0
    serving: Mapping[str, int | None] = EMPTY
    refused: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    notices: Mapping[str, int] = EMPTY
    drift: Mapping[str, Drift] = EMPTY
    nodes: tuple[NodeLevel, ...] = ()
    progress: tuple[Progress, ...] = ()


class Now:
    """What holds at the moment of a scrape, for a registry of Prometheus."""

    def __init__(self, levels: Callable[[], Levels]) -> None:
        self._levels = levels

    def collect(self) -> Iterator[Metric]:
        """Every gauge, as the levels are now."""
        levels = self._levels()
        yield _gauge("info", "The version of classifyd.", ["version"], [((__version__,), 1)])
        yield _gauge("ready", "1 while inputs are taken, else 0.", [], [((), levels.ready)])
        yield from chain(_of_inboxes(levels), _of_large_inputs(levels), _of_workers(levels), _of_models(levels))
        waiting = [((name,), count) for name, count in levels.notices.items()]
        yield _gauge("waiting_notices", "Notices that wait for a receiver.", ["receiver"], waiting)
        yield _gauge(
            "held",
            "1 for what inputs have to wait for: an inbox, a task, the ledger, or refused files of an inbox.",
            ["what"],
            [((what,), 1) for what in levels.held],
        )


def _of_inboxes(levels: Levels) -> Iterator[Metric]:
    now = time.time()
    inboxes = levels.inboxes.items()
    waiting = [((name,), level.waiting) for name, level in inboxes]
    claimed = [((name,), level.claimed) for name, level in inboxes]
    ages = [((name,), max(0.0, now - level.oldest_at) if level.oldest_at else 0.0) for name, level in inboxes]
    paused = [((name,), level.paused) for name, level in inboxes]
    yield _gauge("waiting_files", "Inputs that wait in an inbox.", ["inbox"], waiting)
    yield _gauge("claimed_files", "Inputs of an inbox that are being worked on.", ["inbox"], claimed)
    yield _gauge("paused", "1 for an inbox that somebody has paused, else 0.", ["inbox"], paused)
    yield _gauge("oldest_file_seconds", "Time since the oldest unfinished input was dropped.", ["inbox"], ages)


def _of_large_inputs(levels: Levels) -> Iterator[Metric]:
    files = Counter(one.inbox for one in levels.progress)
    counts = [((name,), files[name]) for name in levels.inboxes]
    left: dict[str, float] = {}
    for one in levels.progress:
        if one.seconds_left is not None:
            left[one.inbox] = max(left.get(one.inbox, 0.0), one.seconds_left)
    times = [((name,), seconds) for name, seconds in left.items()]
    yield _gauge("large_files", "Large inputs of an inbox that are being worked on.", ["inbox"], counts)
    yield _gauge(
        "large_files_left_seconds", "Time until the last of them is done, as far as it is known.", ["inbox"], times
    )


def _of_workers(levels: Levels) -> Iterator[Metric]:
    yield _gauge("workers", "Worker processes that serve.", [], [((), levels.workers)])
    yield _gauge("busy_workers", "Jobs that workers have.", [], [((), levels.busy)])
    yield _gauge("waiting_splits", "Splits and chores that wait for a worker.", [], [((), levels.waiting_splits)])
    memory = sum(resident_bytes(pid) for pid in levels.pids)
    yield _gauge("workers_resident_memory_bytes", "Resident memory of all workers here together.", [], [((), memory)])
    actors = [((one.node,), one.actors) for one in levels.nodes]
    jobs = [((one.node,), one.jobs) for one in levels.nodes]
    yield _gauge("node_actors", "Actors that a node of the cluster has for this daemon.", ["node"], actors)
    yield _gauge("node_jobs", "Jobs that the actors of a node have.", ["node"], jobs)


def _of_models(levels: Levels) -> Iterator[Metric]:
    serving = [((task, "" if version is None else str(version)), 1) for task, version in levels.serving.items()]
    yield _gauge(
        "model_info", "The version that serves a task; empty for one without models.", ["task", "version"], serving
    )
    refused = [((task,), task in levels.refused) for task in levels.serving]
    yield _gauge("model_refused", "1 while a promoted version of a task cannot serve.", ["task"], refused)
    drift = levels.drift.items()
    partings = [((task, one.measure), one.value) for task, found in drift for one in found.partings]
    window = [((task,), found.records) for task, found in drift]
    yield _gauge(
        "drift", "How far a task's newest answers have parted from its baseline.", ["task", "measure"], partings
    )
    yield _gauge("drift_records", "Records that drift is measured on.", ["task"], window)


def _gauge(name: str, what: str, labels: list[str], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(f"classifyd_{name}", what, labels=labels)
    for given, value in values:
        family.add_metric(given, value)
    return family


def resident_bytes(pid: int) -> int:
    """A process's resident memory; 0 if it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * PAGE_BYTES
