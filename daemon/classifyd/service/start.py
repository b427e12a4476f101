"""What happens before the first input is taken: one daemon per state folder, plugins known, models loaded."""

import contextlib
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from filelock import FileLock, Timeout

from classifyd.config import Config, check_formats, check_tasks
from classifyd.errors import BundleError, ConfigError, UnavailableError
from classifyd.inbox.moves import fsync_folder, make_folders
from classifyd.jobs import Inspect, JobReport, Offers, TaskSpec
from classifyd.workers import LocalWorkers, Outcome


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
    with path.open("w", encoding="ascii") as file:
        file.write(secrets.token_hex(6))
        file.flush()
        os.fsync(file.fileno())
    fsync_folder(state)  # under another name after a power cut it would not know its own folders
    return daemon_id(state)


ATTEMPTS = 3
"""So many deaths of workers are borne while plugins and models are loaded: one may have been killed from outside."""


class Stopped(Exception):  # not an error: the daemon was asked to end before it had begun
    """A signal came while models were loaded."""


class Unfit(ConfigError):
    """Bundles that cannot serve: damaged, or with other answers than the known ones; the reason of each by its task."""

    def __init__(self, where: str, reasons: Mapping[str, str]) -> None:
        super().__init__(sorted(f"{where}: {reason}" for reason in set(reasons.values())))
        self.reasons = reasons


class Warming:
    """Asks the workers what the plugins offer, then has each of them load every task in service."""

    def __init__(
        self,
        config: Config,
        workers: LocalWorkers,
        messages: SimpleQueue[Any],
        *,
        stopped: Callable[[], bool],
        waiting: Callable[[], None],
    ) -> None:
        self._config = config
        self._workers = workers
        self._messages = messages
        self._stopped = stopped
        self._waiting = waiting

    def run(self, tasks: Sequence[TaskSpec]) -> Offers:
        """What is on offer, once every worker has loaded the tasks and tried each bundle on its known answers.

        ConfigError names every task, format or bundle that cannot be used; Unfit if only bundles are at fault.
        """
        offers = self._ask(Inspect(), 1)[0].offers or Offers()
        where = self._config.file.name if self._config.file else "configuration"
        problems = [f"{where}: plugin {plugin.problem}" for plugin in offers.plugins if plugin.problem]
        try:
            check_tasks(self._config, offers.tasks)
            check_formats(self._config, offers.writers)
        except ConfigError as error:
            raise ConfigError((*error.faults, *problems)) from error
        daemon = self._config.daemon
        reports = self._ask(Inspect(tuple(tasks), "", daemon.threads, daemon.device), daemon.workers)
        faults = {task: fault for report in reports for task, fault in report.unloadable.items()}
        if faults:
            reasons = {task: fault.message for task, fault in faults.items()}
            only_bundles = all(fault.type == BundleError.__name__ for fault in faults.values())
            raise Unfit(where, reasons) if only_bundles else ConfigError(Unfit(where, reasons).faults)
        return offers

    def _ask(self, job: Inspect, times: int) -> list[JobReport]:
        for _ in range(times):
            self._give(job)
        reports: list[JobReport] = []
        deaths = 0
        while len(reports) < times:
            outcome = self._answer()
            if outcome.report is not None:
                reports.append(outcome.report)
            elif (deaths := deaths + 1) < ATTEMPTS:
                self._give(job)
            else:
                raise UnavailableError(f"workers died while plugins and models were loaded: {outcome.death}")
        return reports

    def _give(self, job: Inspect) -> None:
        self._workers.warm(0, lambda crumb: replace(job, breadcrumb=crumb), self._config.daemon.load_seconds)

    def _answer(self) -> Outcome:
        while True:
            if self._stopped():
                raise Stopped
            self._waiting()
            self._workers.check()  # the main loop, which does this otherwise, does not run yet
            try:
                message = self._messages.get(timeout=1.0)
            except Empty:
                continue
            if isinstance(message, Outcome):
                if message.report is not None and message.report.fault is not None:
                    raise UnavailableError(message.report.fault.message)
                return message
