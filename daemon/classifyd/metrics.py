"""What Prometheus is told: counts of what was done, and levels as they are now. docs/metrics.md has them one by one.

No text, file name or reason is ever among them; labels of a task are told up to a number that no plugin can drive up.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

from classifyd import __version__
from classifyd.drift import Drift
from classifyd.jobs import Effort, FileReport
from classifyd.values import EMPTY
from classifyd.workers import NodeLevel

MOST_LABELS = 100
OTHER = "(other)"
"""What labels of a task are counted as once MOST_LABELS of them are known: a plugin may make up any number."""

RESTARTS = ("died", "worn", "idle")
RELOADS = ("taken up", "refused")
SWEPT = ("done", "outputs", "quarantine", "ledger")
FILE_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400)
RECORD_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


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


class Metrics:
    """The metrics of one process. `levels` is replaced as a whole, by any thread."""

    def __init__(self) -> None:
        # One series more for each counter, which would say when this process began.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library forgot
        self.levels = Levels()
        self._labels: dict[str, set[str]] = {}
        self._registry = registry = CollectorRegistry()
        registry.register(_Now(self))
        ProcessCollector(namespace="classifyd", registry=registry)

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"classifyd_{name}", what, labels, registry=registry)

        def histogram(name: str, what: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"classifyd_{name}", what, labels, registry=registry, buckets=buckets)

        self._files = counter("files", "Inputs that ended, by how.", "inbox", "state")
        self._records = counter("records", "Records in published outputs.", "inbox")
        self._errors = counter("record_errors", "Records in published outputs that hold an error.", "inbox")
        self._reviews = counter("record_reviews", "Records in published outputs that are for review.", "inbox")
        self._answers = counter("labels", "Labels, or spans, given to published records.", "task", "label")
        self._doubts = counter("reviews", "Published records for review, by the doubtful label.", "task", "label")
        self._worked = counter("worked_records", "Records that workers are through with, redone ones again.", "inbox")
        self._task_seconds = counter("task_seconds", "Time that workers spent on a task's answers.", "task")
        self._task_records = counter("task_records", "Records that a task was given.", "task")
        self._tokens = counter("tokens", "Tokens that a task's model was run on, padding included.", "task")
        self._padding = counter("padding_tokens", "Tokens that only filled a micro-batch up.", "task")
        self._unknown = counter("unknown_tokens", "Tokens that a task's vocabulary does not have.", "task")
        self._deaths = counter("worker_deaths", "Workers that died over a job, by what they did.", "deed")
        self._restarts = counter("worker_restarts", "Workers that were replaced, by why.", "reason")
        self._reloads = counter("reloads", "Configurations read again after a HUP, by what came of it.", "result")
        self._swept = counter("swept", "Files and ledger rows that grew too old and were removed.", "what")
        self._swept_bytes = counter("swept_bytes", "Bytes of the files that were removed.", "what")
        self._told = counter(
            "notices", "Deliveries of notices to receivers, by what came of them.", "receiver", "result"
        )
        self._latency = histogram(
            "file_latency_seconds", "From an input's drop to its retirement.", "inbox", buckets=FILE_SECONDS
        )
        self._wait = histogram("file_wait_seconds", "From an input's drop to its claim.", "inbox", buckets=FILE_SECONDS)
        self._work = histogram(
            "file_work_seconds", "From an input's claim to its retirement.", "inbox", buckets=FILE_SECONDS
        )
        self._record = histogram(
            "record_seconds", "Mean time a record of a job took, by task.", "task", buckets=RECORD_SECONDS
        )
        self._batch = histogram("batch_size", "Texts in a run of a task's model.", "task", buckets=SIZES)
        self._last = Gauge(
            "classifyd_last_published_timestamp_seconds",
            "When an input was last published, since the epoch.",
            ["inbox"],
            registry=registry,
        )

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the text format that suits an Accept header best, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    # ------------------------------------------------------------------ what is done

    def begin(self, inboxes: Iterable[str]) -> None:
        """Have the counters of these inboxes begin at nought: a rate needs a value before the first event."""
        for inbox in inboxes:
            for metric in (self._records, self._errors, self._reviews, self._worked):
                metric.labels(inbox)
            for state in ("published", "quarantined", "vanished"):
                self._files.labels(inbox, state)
            for times in (self._latency, self._wait, self._work):
                times.labels(inbox)
        for reason in RESTARTS:
            self._restarts.labels(reason)
        for result in RELOADS:
            self._reloads.labels(result)
        for what in SWEPT:
            self.swept(what, 0, 0)

    def finished(self, report: FileReport, at: float) -> None:
        """An input has ended, at `at` (epoch seconds)."""
        inbox = report.inbox
        self._files.labels(inbox, report.state).inc()
        if report.state != "published":
            return
        self._records.labels(inbox).inc(report.records)
        self._errors.labels(inbox).inc(report.errors)
        self._reviews.labels(inbox).inc(report.reviews)
        for metric, counts in ((self._answers, report.counts), (self._doubts, report.doubts)):
            for task, labels in counts.items():
                for label, count in labels.items():
                    metric.labels(task, self._known(task, label)).inc(count)
        self._work.labels(inbox).observe(report.seconds)
        if report.waited is not None:
            self._wait.labels(inbox).observe(report.waited)
            self._latency.labels(inbox).observe(report.waited + report.seconds)
        self._last.labels(inbox).set(at)

    def worked(self, inbox: str, records: int, efforts: Mapping[str, Effort]) -> None:
        """A worker is through with a job."""
        self._worked.labels(inbox).inc(records)
        for task, effort in efforts.items():
            self._task_seconds.labels(task).inc(effort.seconds)
            self._task_records.labels(task).inc(effort.records)
            self._tokens.labels(task).inc(effort.tokens)
            self._padding.labels(task).inc(effort.padding)
            self._unknown.labels(task).inc(effort.unknown)
            if effort.records:
                self._record.labels(task).observe(effort.seconds / effort.records)
            for size, times in effort.batches.items():
                for _ in range(min(times, 10_000)):
                    self._batch.labels(task).observe(size)

    def died(self, deed: str) -> None:
        """A worker died over a job, doing `deed` as its breadcrumb says."""
        self._deaths.labels(deed).inc()

    def replaced(self, reason: str) -> None:
        """A worker was replaced: it died, or it was worn."""
        self._restarts.labels(reason).inc()

    def reloaded(self, result: str) -> None:
        """The configuration was read again: taken up, or refused."""
        self._reloads.labels(result).inc()

    def swept(self, what: str, count: int, size: int) -> None:
        """So many files or rows were removed, with so many bytes, because they had grown old."""
        self._swept.labels(what).inc(count)
        self._swept_bytes.labels(what).inc(size)

    def told(self, receiver: str, result: str, count: int) -> None:
        """Notices were told, failed to be told (and will be again), or were given up."""
        self._told.labels(receiver, result).inc(count)

    def _known(self, task: str, label: str) -> str:
        known = self._labels.setdefault(task, set())
        if label in known or len(known) < MOST_LABELS:
            known.add(label)
            return label
        return OTHER


class _Now:
    """What holds at the moment of a scrape."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        levels = self._metrics.levels
        yield _gauge("info", "The version of classifyd.", ["version"], [((__version__,), 1)])
        yield _gauge("ready", "1 while inputs are taken, else 0.", [], [((), levels.ready)])
        yield from chain(_of_inboxes(levels), _of_workers(levels), _of_models(levels))
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
