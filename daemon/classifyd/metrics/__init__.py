"""What Prometheus is told: counts of what was done, and levels as they are now. docs/metrics.md has them one by one.

No text, file name or reason is ever among them; labels of a task are told up to a number that no plugin can drive up.
"""

from collections.abc import Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from classifyd.metrics.levels import InboxLevel, Levels, Now
from classifyd.reports import Effort, FileReport

__all__ = ["MOST_LABELS", "OTHER", "InboxLevel", "Levels", "Metrics"]

MOST_LABELS = 100
OTHER = "(other)"
"""What labels of a task are counted as once MOST_LABELS of them are known: a plugin may make up any number."""

RESTARTS = ("died", "worn", "idle")
RELOADS = ("taken up", "refused")
SWEPT = ("done", "outputs", "quarantine", "ledger")
FILE_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400)
RECORD_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics of one process. `levels` is replaced as a whole, by any thread."""

    def __init__(self) -> None:
        # One series more for each counter, which would say when this process began.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library forgot
        self.levels = Levels()
        self._labels: dict[str, set[str]] = {}
        self._registry = registry = CollectorRegistry()
        registry.register(Now(lambda: self.levels))
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
