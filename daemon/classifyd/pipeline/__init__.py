"""A worker's path for one job. Nothing else of classifyd loads plugins or models."""

import os
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import structlog

from classifyd import plugins
from classifyd.errors import ClassifydError, DiskFault
from classifyd.jobs import Annotate, Assemble, CutUp, Inspect, Job, JobReport, Observe, PartReport
from classifyd.pipeline.annotate import Annotating
from classifyd.pipeline.breadcrumb import Crumb, Trail
from classifyd.pipeline.cutting import cut_up, open_all
from classifyd.pipeline.loading import Predictors
from classifyd.pipeline.parts import write_whole
from classifyd.values import Fault

__all__ = ["Pipeline", "run"]

log = structlog.get_logger()


def run(job: Job) -> JobReport:
    """Run one job with this process's own pipeline, made at the first call; faults are in the report, not raised."""
    return _own().run(job)


@cache
def _own() -> "Pipeline":
    return Pipeline(plugins.load())


class Pipeline:
    """Runs jobs with the plugins of one registry, keeping loaded predictors from job to job."""

    def __init__(self, registry: plugins.Registry) -> None:
        self.registry = registry
        self.predictors = Predictors(registry)
        self._trails: dict[str, Trail] = {}

    def run(self, job: Job, seen: Callable[[PartReport], None] | None = None) -> JobReport:
        """Run one job and measure it. `seen` is told of each part as it is finished, for progress bars.

        A fault that is the disk's or the worker's is in `report.fault`; those of inputs are in their part's report.
        """
        started = time.monotonic()
        try:
            report = self._report(job, seen or (lambda _: None))
        except ClassifydError as error:
            report = JobReport(fault=Fault.of(error))
        except OSError as error:
            report = JobReport(
                fault=Fault(DiskFault.__name__, f"{error.filename or 'the worker'}: {error.strerror or error}")
            )
        except Exception as error:  # noqa: BLE001  # a writer is foreign code: its inbox waits, and says why
            report = JobReport(fault=Fault(type(error).__name__, f"{type(error).__name__}: {error}"))
        return replace(
            report,
            seconds=time.monotonic() - started,
            records=sum(part.records for part in report.parts),
            peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            pid=os.getpid(),
        )

    def _report(self, job: Job, seen: Callable[[PartReport], None]) -> JobReport:
        match job:
            case Annotate():
                return self._annotate(job, seen)
            case CutUp():
                return cut_up(job, self.registry.readers)
            case Assemble():
                return self._assemble(job)
            case Inspect():
                return JobReport(offers=self.registry.offers, unloadable=self._load(job))
            case Observe():
                return self._observe(job)

    def _load(self, job: Annotate | Inspect) -> dict[str, Fault]:
        """Load the job's tasks, a crumb before each; the fault of each that cannot be."""
        faults: dict[str, Fault] = {}
        for spec in job.tasks:
            self._trail(job.breadcrumb).drop(Crumb("loading", spec.name))
            faults |= self.predictors.try_all([spec], job.device, job.threads)
        return faults

    def _annotate(self, job: Annotate, seen: Callable[[PartReport], None]) -> JobReport:
        trail = self._trail(job.breadcrumb)
        unloadable = self._load(job)
        if unloadable:
            return JobReport(unloadable=unloadable)
        loaded = [self.predictors.get(spec, job.device, job.threads) for spec in job.tasks]
        writer = self.registry.writer(job.format)
        annotating = Annotating(job, loaded, self.registry.readers, writer, trail)
        parts = []
        for part in annotating.parts():
            parts.append(part)
            seen(part)
        sick = {
            task: tally.fault
            for task, tally in annotating.tallies.items()
            if tally.fault is not None and tally.failed == tally.given
        }
        trail.drop(Crumb("resting"))
        report = JobReport(tuple(parts), sick=sick)
        self._tell("job_done", report)
        return report

    def _assemble(self, job: Assemble) -> JobReport:
        writer = self.registry.writer(job.format)
        written = write_whole(Path(job.output), lambda stream: writer.assemble(open_all(job.parts), stream))
        return JobReport((PartReport(job.claim, 0, size=written.size, digest=written.digest),))

    def _observe(self, job: Observe) -> JobReport:
        for file in job.files:
            self._tell("file_done", file)
        return JobReport()

    def _tell(self, hook: str, report: object) -> None:
        for implementation in getattr(self.registry.hook, hook).get_hookimpls():
            try:
                implementation.function(report)
            except Exception as error:  # noqa: BLE001  # an observer is foreign code and must not sink the job
                log.warning("observer_failed", plugin=implementation.plugin_name, hook=hook, error=repr(error))

    def _trail(self, path: str) -> Trail:
        if path not in self._trails:
            self._trails[path] = Trail(path)
        return self._trails[path]
