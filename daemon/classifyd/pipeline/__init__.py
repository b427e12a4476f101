"""A worker's path for one job. Nothing else of classifyd loads plugins or models."""

import contextlib
import os
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import structlog

from classifyd import plugins
from classifyd.errors import ClassifydError, DiskFault
from classifyd.jobs import Annotate, Assemble, Choose, CutUp, Inspect, Job, Observe
from classifyd.pipeline.annotate import Annotating
from classifyd.pipeline.border import Border
from classifyd.pipeline.breadcrumb import CHORE, Crumb, Range, Trail
from classifyd.pipeline.choosing import Chooser
from classifyd.pipeline.cutting import cut_up, open_all
from classifyd.pipeline.efforts import effort, profile
from classifyd.pipeline.loading import Predictors
from classifyd.pipeline.parts import write_whole
from classifyd.reports import Effort, JobReport, PartReport
from classifyd.values import Fault

__all__ = ["Pipeline"]

log = structlog.get_logger()


class Pipeline:
    """Runs jobs with the plugins of one registry, keeping loaded predictors from job to job.

    `border` and `trail` are the worker's own; without them nothing that plugins do ends this process.
    """

    def __init__(self, registry: plugins.Registry, border: Border | None = None, trail: Trail | None = None) -> None:
        self.registry = registry
        self.border = border or Border()
        self.predictors = Predictors(registry, self.border)
        self._own = trail
        self._trails = {trail.path: trail} if trail else {}

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
            self.border.look(error)
            report = JobReport(fault=Fault(type(error).__name__, f"{type(error).__name__}: {error}"))
        with contextlib.suppress(OSError):
            self._drop(Crumb("resting"))
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
                self._drop(_chore("cutting", job.claim))
                return cut_up(job, self.registry.readers, self.border)
            case Assemble():
                self._drop(_chore("assembling", job.claim))
                return self._assemble(job)
            case Inspect():
                return JobReport(offers=self.registry.offers, unloadable=self._load(job))
            case Choose():
                return self._choose(job)
            case Observe():
                return self._observe(job)

    def _load(self, job: Annotate | Inspect) -> dict[str, Fault]:
        """Load the job's tasks, a crumb before each; the fault of each that cannot be."""
        faults: dict[str, Fault] = {}
        for spec in job.tasks:
            self._trail(job.breadcrumb).drop(Crumb("loading", spec.name))
            faults |= self.predictors.try_all([spec], job.device, job.threads)
        return faults

    def _choose(self, job: Choose) -> JobReport:
        self._trail(job.breadcrumb).drop(Crumb("choosing", job.task.name))
        chooser = Chooser(self.registry, self.border, job.device, job.threads)
        try:
            question = chooser.question(job.task)
            if question is None:
                return JobReport()
            if question in job.known:
                return JobReport(chosen=(question, job.known[question]))
            found = chooser.choose(job.task)
        except Exception as error:  # noqa: BLE001  # a task is foreign code: its fault is reported as its own
            return JobReport(unloadable={job.task.name: Fault.of(error)})
        # What was tried and not chosen leaves its libraries in the process.
        return JobReport(chosen=(question, found), worn="it has tried what a task can choose from")

    def _annotate(self, job: Annotate, seen: Callable[[PartReport], None]) -> JobReport:
        trail = self._trail(job.breadcrumb)
        unloadable = self._load(job)
        if unloadable:
            return JobReport(unloadable=unloadable)
        loaded = [self.predictors.get(spec, job.device, job.threads) for spec in job.tasks]
        writer = self.registry.writer(job.format)
        annotating = Annotating(job, loaded, self.registry.readers, writer, trail, self.border)
        parts = []
        for part in annotating.parts():
            parts.append(part)
            seen(part)
        sick = {
            task: tally.fault
            for task, tally in annotating.tallies.items()
            if tally.fault is not None and tally.failed == tally.given
        }
        answered = tuple(task for task, tally in annotating.tallies.items() if tally.answered)
        efforts = self._efforts(annotating)
        profiles = (
            profile(one, annotating.tallies[task], efforts[task])
            for one in loaded
            if (task := one.spec.name) in efforts and one.spec.version is not None
        )
        return JobReport(tuple(parts), sick=sick, answered=answered, efforts=efforts, profiles=tuple(profiles))

    def _efforts(self, annotating: Annotating) -> dict[str, Effort]:
        """What each task took for the job."""
        loaded = {one.spec.name: one for one in annotating.tasks}
        return {
            task: effort(loaded[task], tally.given, tally.seconds, self.border)
            for task, tally in annotating.tallies.items()
        }

    def _assemble(self, job: Assemble) -> JobReport:
        writer = self.registry.writer(job.format)

        def assemble(stream: BinaryIO) -> None:
            with self.border.call(f"{job.format}: assemble", parts=len(job.parts)):
                writer.assemble(open_all(job.parts), stream)

        written = write_whole(Path(job.output), assemble)
        return JobReport((PartReport(job.claim, 0, size=written.size, digest=written.digest),))

    def _observe(self, job: Observe) -> JobReport:
        for report in job.jobs:
            self._tell("job_done", report)
        for file in job.files:
            self._tell("file_done", file)
        return JobReport()

    def _tell(self, hook: str, report: object) -> None:
        for implementation in getattr(self.registry.hook, hook).get_hookimpls():
            try:
                with self.border.call(f"{implementation.plugin_name}: {hook}"):
                    implementation.function(report)
            except Exception as error:  # noqa: BLE001  # an observer is foreign code and must not sink the job
                log.warning("observer_failed", plugin=implementation.plugin_name, hook=hook, error=repr(error))

    def _drop(self, crumb: Crumb) -> None:
        """Leave a crumb where the worker's own go, if this is one."""
        if self._own is not None:
            self._own.drop(crumb)

    def _trail(self, path: str) -> Trail:
        if path not in self._trails:
            self._trails[path] = Trail(path)
        return self._trails[path]


def _chore(deed: str, claim: str) -> Crumb:
    return Crumb(deed, ranges=(Range(claim, CHORE, 0, 0),))
