"""How a promoted version comes into service while inputs are worked on: a second shift loads it, then takes over.

Until every worker of that shift has loaded what is promoted, its digests checked and its known answers given, the
versions that serve go on serving. A version that is not fit is refused: it is not tried again before `current` or its
folder has changed, or a minute has passed where the disk refused it.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import structlog

from classifyd.config import Config, DaemonConfig
from classifyd.errors import UnreadableBundle
from classifyd.jobs import Choose, Inspect, Job
from classifyd.planning import Key
from classifyd.service.candidate import Candidate, Refusal, Seen
from classifyd.service.choosing import Choosing
from classifyd.service.shifts import Shifts
from classifyd.service.tasks import Pin, Tasks, Versions
from classifyd.workers import Outcome

log = structlog.get_logger()

LOOK_SECONDS = 1.0
AGAIN_SECONDS = 60.0
ATTEMPTS = 3
"""So many workers may die while they load plugins or one task: one may have been killed from outside."""


class Succession:
    """Watches what is promoted and brings it into service.

    `taken_over` is told the tasks whose version has changed, once new inputs are pinned to it. `pinned` gives the keys
    of the inputs in work, which the shifts that were relieved go on with.
    """

    def __init__(
        self,
        config: DaemonConfig,
        tasks: Tasks,
        shifts: Shifts,
        choosing: Choosing,
        *,
        pinned: Callable[[], Iterable[Key]],
        taken_over: Callable[[tuple[str, ...]], None],
    ) -> None:
        self.refused: dict[str, Refusal] = {}
        self._config = config
        self._tasks = tasks
        self._shifts = shifts
        self._choosing = choosing
        self._pinned = pinned
        self._taken_over = taken_over
        self._candidate: Candidate | None = None
        self._attempts = 0
        self._next_look = 0.0

    def heed(self, config: DaemonConfig) -> None:
        """From now on go by this configuration."""
        self._config = config

    def ask_for(self, config: Config | None) -> None:
        """Have the tasks of a configuration loaded besides those that serve, by a shift that then takes over."""
        self._tasks.ask_for(config)
        for task in [task for task in self.refused if task not in self._tasks.names]:
            del self.refused[task]
        self._next_look = 0.0

    @property
    def serving(self) -> Versions:
        """The versions that new inputs are pinned to."""
        return self._tasks.serving

    @property
    def loading(self) -> dict[str, int | None]:
        """The versions that a second shift is loading, by task."""
        return {task: self._candidate.versions[task] for task in self._candidate.changed} if self._candidate else {}

    def fall_back(self, reasons: Mapping[str, str]) -> bool:
        """At the start: have the versions before serve where what serves is not fit; False if a task has none."""
        before = {task: self._tasks.before(task) for task in reasons}
        if not all(before.values()):
            return False
        unfit = self._tasks.serving
        self._tasks.serving = {**unfit, **before}
        for task, why in reasons.items():
            if task not in self.refused:  # else it is the one before that is not fit either, which nobody promoted
                self._refuse(task, Refusal(unfit[task], why, self._see([(task, unfit[task])])))
        return True

    def look(self) -> None:
        """See, about once a second, whether other versions are promoted than those that serve, and act on it."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        if self._shifts.relieved:
            self._shifts.release({key.tasks for key in self._pinned()})
        wanted = self._wanted()
        if wanted == (self._candidate.versions if self._candidate else self._tasks.serving):
            return
        self._withdraw()
        if wanted != self._tasks.serving:
            self._begin(wanted)

    def receive(self, outcomes: Iterable[Outcome]) -> None:
        """Take in how the jobs of a second shift ended; those of other jobs are passed over."""
        for outcome in outcomes:
            if self._candidate is not None and outcome.number == self._candidate.number:
                self._receive(self._candidate, outcome)

    # ------------------------------------------------------------------ what is wanted

    def _wanted(self) -> dict[str, int | None]:
        """What is to serve: for each task what is promoted, unless that was refused, else what serves."""
        promoted, faults = self._tasks.promoted()
        serving = self._tasks.serving
        for task, version in serving.items():
            if task in promoted and promoted[task] is None and version is not None:
                faults[task] = f"no version is promoted any more; run: classifyd models promote {task} {version}"
        for task, fault in faults.items():
            self._refuse(task, Refusal(None, fault, self._see([(task, None)])))
        for task in [task for task in self.refused if task not in faults and not self._still_refused(task, promoted)]:
            del self.refused[task]
        kept = {task: version for task, version in serving.items() if task in self.refused}
        return kept | {task: promoted[task] for task in self._tasks.names if task not in self.refused}

    def _still_refused(self, task: str, promoted: Versions) -> bool:
        refusal = self.refused[task]
        unchanged = refusal.version == promoted.get(task) and refusal.seen == self._see(refusal.seen)
        return unchanged and time.monotonic() < refusal.again

    def _see(self, versions: Iterable[Pin]) -> Seen:
        return {(task, version): self._tasks.stamp(task, version) for task, version in versions}

    def _refuse(self, task: str, refusal: Refusal) -> None:
        before = self.refused.get(task)
        self.refused[task] = refusal
        if before is None or before.reason != refusal.reason:
            serving = self._tasks.serving
            stays = f"{task}@{serving[task]} stays in service" if task in serving else "no inbox gets the task"
            log.error("promotion_refused", task=task, version=refusal.version, error=refusal.reason, consequence=stays)

    # ------------------------------------------------------------------ a second shift

    def _begin(self, versions: Versions) -> None:
        serving = self._tasks.serving
        changed = tuple(task for task, version in versions.items() if (task, version) not in serving.items())
        self._attempts += 1
        self._candidate = Candidate(
            -self._attempts,  # the dispatcher's numbers are positive
            versions,
            changed,
            self._shifts.prepare(versions),
            self._see(versions.items()),
        )
        log.info("promotion_seen", versions=self.loading)
        self._choose(self._candidate)

    def _choose(self, candidate: Candidate) -> None:
        """Have what is new choose what its options leave open; then it is loaded."""
        job = self._choosing.job(candidate.versions.items())
        if job is None:
            # One worker goes first: what is not fit costs no more than that, and files in work hardly notice.
            self._load(candidate, candidate.workers.submit)
            return
        candidate.workers.submit(
            candidate.number, lambda crumb: replace(job, breadcrumb=crumb), self._config.load_seconds
        )

    def _load(self, candidate: Candidate, give: Callable[[int, Callable[[str], Job], float], None]) -> None:
        specs = self._tasks.specs(candidate.versions, candidate.versions)
        threads, device = self._config.threads, self._config.device
        give(candidate.number, lambda crumb: Inspect(specs, crumb, threads, device), self._config.load_seconds)

    def _receive(self, candidate: Candidate, outcome: Outcome) -> None:
        report = outcome.report
        if isinstance(outcome.job, Choose):
            self._choosing.receive(outcome.job, outcome)
            self._choose(candidate)
        elif report is None:
            self._died(candidate, outcome)
        elif report.fault is not None:
            self._give_up(candidate, dict.fromkeys(candidate.changed, report.fault.message))
        elif report.unloadable:
            unread = any(fault.type == UnreadableBundle.__name__ for fault in report.unloadable.values())
            again = time.monotonic() + AGAIN_SECONDS if unread else math.inf
            self._give_up(candidate, {task: fault.message for task, fault in report.unloadable.items()}, again)
        else:
            candidate.warm += 1
            if candidate.warm == 1:
                for _ in range(self._config.workers - 1):
                    self._load(candidate, candidate.workers.warm)
            if candidate.warm == self._config.workers:
                self._take_over(candidate)

    def _died(self, candidate: Candidate, outcome: Outcome) -> None:
        candidate.deaths += 1
        if candidate.deaths < ATTEMPTS:
            self._load(candidate, candidate.workers.warm)
            return
        blamed = {outcome.crumb.task} if outcome.crumb else set()
        why = f"workers died while they loaded it: {outcome.death}"
        self._give_up(candidate, dict.fromkeys(blamed & set(candidate.changed) or candidate.changed, why))

    def _give_up(self, candidate: Candidate, reasons: Mapping[str, str], again: float = math.inf) -> None:
        """Keep what serves. If what is at fault is a version that serves already, nothing new can come in beside it."""
        self._withdraw()
        at_fault = {task: why for task, why in reasons.items() if task in candidate.changed}
        if self._choosing.give_up(candidate.versions, at_fault):
            self._begin(candidate.versions)
            return
        if not at_fault:
            told = "; ".join(reasons.values())
            at_fault = dict.fromkeys(candidate.changed, f"what serves beside it can no longer be loaded: {told}")
        for task, why in at_fault.items():
            seen = {key: stamp for key, stamp in candidate.seen.items() if key[0] in (task, *reasons)}
            self._refuse(task, Refusal(candidate.versions[task], why, seen, again))

    def _withdraw(self) -> None:
        self._candidate = None
        self._shifts.dismiss()

    def _take_over(self, candidate: Candidate) -> None:
        if self._wanted() != candidate.versions:  # taken back in the last moment: what comes into service is never that
            self._next_look = 0.0
            return
        before = self._tasks.serving
        self._shifts.relieve()
        self._tasks.serving = candidate.versions
        self._candidate = None
        seconds = round(time.monotonic() - candidate.began, 3)
        for task in candidate.changed:
            log.info(
                "taken_over", task=task, version=candidate.versions[task], before=before.get(task), seconds=seconds
            )
        self._taken_over(candidate.changed)
