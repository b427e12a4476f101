"""What happens before the first input is taken: one daemon per state folder, plugins known, models loaded."""

import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog
from filelock import FileLock, Timeout

from classifyd import processor
from classifyd.config import Config, check_formats, check_tasks
from classifyd.disk import rewrite
from classifyd.errors import BundleError, ClassifydError, ConfigError, UnavailableError, UnreadableBundle
from classifyd.inbox.moves import make_folders
from classifyd.jobs import Choose, Inspect, TaskSpec
from classifyd.offers import Offers
from classifyd.reports import JobReport
from classifyd.service.choosing import Choosing
from classifyd.service.messages import Messages
from classifyd.service.shifts import Shifts
from classifyd.service.succession import ATTEMPTS, Succession
from classifyd.service.tasks import Pin, Tasks
from classifyd.workers import Outcome, Workers

log = structlog.get_logger()


def lock_state(state: Path) -> FileLock:
    """Hold the state folder for this process. UnavailableError if another daemon has it."""
    make_folders(state)
    lock = FileLock(state / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UnavailableError(f"{state}: another daemon is running with this state folder; stop it first") from error
    return lock


def daemon_id(state: Path) -> str:
    """The name under which this daemon holds claims, the same after each restart."""
    path = state / "daemon-id"
    with contextlib.suppress(FileNotFoundError):
        known = path.read_text(encoding="ascii").strip()
        if known:
            return known
    # On the disk at once: under another name after a power cut it would not know its own folders.
    rewrite(path, secrets.token_hex(6).encode("ascii"))
    return daemon_id(state)


def loaded(
    tasks: Tasks,
    shifts: Shifts,
    succession: Succession,
    choosing: Choosing,
    *,
    pinned: Collection[Pin],
    warming: Callable[[Workers], "Warming"],
) -> Offers:
    """Have workers load and test what is to serve, and serve; a version that is not fit gives way to the one before it.

    First the tasks choose what their options leave open: for what serves, and for what inputs of an earlier run are
    `pinned` to.
    """
    tasks.begin()
    while True:
        warm = warming(shifts.prepare(tasks.serving))
        warm.wait()
        offers = warm.offers()
        warm.choose(choosing, (*tasks.serving.items(), *pinned))
        try:
            warm.load(tasks.specs(tasks.serving, tasks.serving))
        except Unfit as unfit:
            if choosing.give_up(tasks.serving, unfit.reasons):
                continue
            if not (unfit.only_bundles and succession.fall_back(unfit.reasons)):
                raise unfit.error from unfit
        else:
            shifts.relieve()
            log.info("models_tested", versions=dict(tasks.serving), processor=list(processor.features()))
            return offers


class Stopped(Exception):  # not an error: the daemon was asked to end before it had begun
    """A signal came while models were loaded."""


class Unfit(Exception):  # not an error yet: the versions before may serve
    """Tasks that cannot serve so: `reasons` says why of each, `error` is what ends the daemon if nothing helps.

    Where only their bundles are at fault (damaged, with other answers than the known ones, or deadly to who loads
    them), others may take their place.
    """

    def __init__(self, reasons: Mapping[str, str], error: ClassifydError, *, only_bundles: bool = True) -> None:
        super().__init__(str(error))
        self.reasons = reasons
        self.error = error
        self.only_bundles = only_bundles


class Warming:
    """Asks the workers what the plugins offer, has the tasks choose, then has each worker load every task."""

    def __init__(
        self,
        config: Config,
        workers: Workers,
        messages: Messages,
        *,
        stopped: Callable[[], bool],
        waiting: Callable[[], None],
        missing: Callable[[], str] = str,
    ) -> None:
        self._config = config
        self._workers = workers
        self._messages = messages
        self._stopped = stopped
        self._waiting = waiting
        self._missing = missing

    def wait(self) -> None:
        """Wait until every worker has a place; UnavailableError says what is `missing` if one has none in time."""
        end = time.monotonic() + self._config.workers.start_seconds
        while missing := self._missing():
            if self._stopped():
                raise Stopped
            if time.monotonic() >= end:
                raise UnavailableError(f"[workers] {missing}")
            self._waiting()
            self._messages.next(0.2)

    def offers(self) -> Offers:
        """What is on offer. ConfigError names every task and format that is asked for and nobody offers."""
        offers = self._ask(Inspect(), 1)[0].offers or Offers()
        problems = [f"{self._where}: plugin {plugin.problem}" for plugin in offers.plugins if plugin.problem]
        try:
            check_tasks(self._config, offers)
            check_formats(self._config, offers)
        except ConfigError as error:
            raise ConfigError((*error.faults, *problems)) from error
        return offers

    def choose(self, choosing: Choosing, pins: Collection[Pin]) -> None:
        """Have tasks choose what their options leave open, one after the other, while nothing else is done here."""
        while (job := choosing.job(pins)) is not None:
            self._workers.submit(0, partial(_with_crumb, job), self._config.daemon.load_seconds)
            choosing.receive(job, self._outcome())

    def load(self, tasks: Sequence[TaskSpec]) -> None:
        """Have every worker load the tasks and try each bundle on its known answers.

        Unfit if tasks cannot be loaded; UnavailableError if a bundle cannot be read, or workers die of something else.
        """
        daemon = self._config.daemon
        reports = self._ask(Inspect(tuple(tasks), "", daemon.threads, daemon.device), daemon.workers)
        faults = {task: fault for report in reports for task, fault in report.unloadable.items()}
        if faults:
            reasons = {task: fault.message for task, fault in faults.items()}
            if any(fault.type == UnreadableBundle.__name__ for fault in faults.values()):
                raise UnavailableError("\n".join(sorted(set(reasons.values()))))
            unusable = ConfigError(sorted({f"{self._where}: {reason}" for reason in reasons.values()}))
            only_bundles = all(fault.type == BundleError.__name__ for fault in faults.values())
            raise Unfit(reasons, unusable, only_bundles=only_bundles)

    @property
    def _where(self) -> str:
        return self._config.file.name if self._config.file else "configuration"

    def _ask(self, job: Inspect, times: int) -> list[JobReport]:
        """So many reports. When a task has ended too many workers, the others are waited for before that is raised."""
        for _ in range(times):
            self._give(job)
        reports: list[JobReport] = []
        deaths: Counter[str] = Counter()
        given_up: Outcome | None = None
        under_way = times
        while under_way:
            outcome = self._outcome()
            if outcome.report is not None:
                if outcome.report.fault is not None:
                    raise UnavailableError(outcome.report.fault.message)
                reports.append(outcome.report)
            elif given_up is None:
                task = _loaded_by(outcome)
                deaths[task] += 1
                if deaths[task] < ATTEMPTS:
                    self._give(job)
                    continue
                given_up = outcome
            under_way -= 1
        if given_up is not None:
            raise _died(job, given_up)
        return reports

    def _give(self, job: Inspect) -> None:
        self._workers.warm(0, partial(_with_crumb, job), self._config.daemon.load_seconds)

    def _outcome(self) -> Outcome:
        while True:
            if self._stopped():
                raise Stopped
            self._waiting()
            self._workers.check()  # the main loop, which does this otherwise, does not run yet
            message = self._messages.next(1.0)
            if isinstance(message, Outcome):
                return message


def _with_crumb(job: Inspect | Choose, crumb: str) -> Inspect | Choose:
    return replace(job, breadcrumb=crumb)


def _loaded_by(outcome: Outcome) -> str:
    """The task that a worker was loading when it died; empty if none."""
    return outcome.crumb.task if outcome.crumb is not None and outcome.crumb.deed == "loading" else ""


def _died(job: Inspect, outcome: Outcome) -> Unfit | UnavailableError:
    """What follows when too many workers have died: a task's version may give way to the one before it."""
    spec = next((spec for spec in job.tasks if spec.name == _loaded_by(outcome)), None)
    if spec is None:
        return UnavailableError(f"workers died while plugins and models were loaded: {outcome.death}")
    what = spec.name if spec.version is None else f"{spec.name}@{spec.version}"
    why = f"{what}: {ATTEMPTS} workers died while they loaded it: {outcome.death}"
    error = UnavailableError(f"{why}; promote another version, or see that nothing ends workers from outside")
    return error if spec.version is None else Unfit({spec.name: why}, error)
