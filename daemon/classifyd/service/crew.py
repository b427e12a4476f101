"""Everybody who works for a daemon: the shifts of workers, the tasks they have loaded, and what comes into service."""

from collections.abc import Callable, Iterable

from classifyd.config import Config, check_formats, check_tasks
from classifyd.errors import ConfigError
from classifyd.offers import Offers
from classifyd.planning import Key
from classifyd.service import start
from classifyd.service.choosing import Choosing
from classifyd.service.engine import Engine
from classifyd.service.messages import Messages
from classifyd.service.shifts import Shifts
from classifyd.service.succession import Succession
from classifyd.service.tasks import Pin, Tasks, Versions
from classifyd.service.work import Folders
from classifyd.workers import Workers

NOT_ASKED_AGAIN = "plugins are looked for at the start: if one was installed since, restart the daemon"


class Crew:
    """`replaced` is told why workers were replaced; `pinned` and `taken_over` are as in Succession."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        folders: Folders,
        messages: Messages,
        inherited: Versions | None,
        *,
        replaced: Callable[[str], None],
        pinned: Callable[[], Iterable[Key]],
        taken_over: Callable[[tuple[str, ...]], None],
    ) -> None:
        daemon = config.daemon
        self._config = config
        self._messages = messages
        self._offers = Offers()
        self.tasks = Tasks(config, inherited)
        self._engine = engine
        self.shifts = Shifts(daemon.workers, engine.workers(config, folders, messages.put, replaced))
        self._choosing = Choosing(daemon, self.tasks)
        self.succession = Succession(
            daemon, self.tasks, self.shifts, self._choosing, pinned=pinned, taken_over=taken_over
        )

    def begin(self, pinned: Iterable[Pin], *, stopped: Callable[[], bool], waiting: Callable[[], None]) -> Offers:
        """Have everything loaded that is to serve, or that inputs of an earlier run are `pinned` to; what is on offer.

        ConfigError or UnavailableError if it cannot be; Stopped once `stopped` says so. `waiting` is called meanwhile.
        """

        def warming(workers: Workers) -> start.Warming:
            return start.Warming(
                self._config, workers, self._messages, stopped=stopped, waiting=waiting, missing=self._engine.missing
            )

        known = tuple(dict.fromkeys(pin for pin in pinned if pin[0] in self.tasks.names))
        self._offers = start.loaded(
            self.tasks, self.shifts, self.succession, self._choosing, pinned=known, warming=warming
        )
        return self._offers

    # ------------------------------------------------------------------ another configuration

    def check(self, config: Config) -> None:
        """ConfigError if a configuration names what nobody offered when the workers began."""
        try:
            check_tasks(config, self._offers)
            check_formats(config, self._offers)
        except ConfigError as error:
            raise ConfigError([*error.faults, NOT_ASKED_AGAIN]) from error

    def ask_for(self, config: Config | None) -> None:
        """Have a shift get ready that has all tasks of a configuration; with None, only those that serve."""
        self.succession.ask_for(config)

    def has_all(self, config: Config) -> bool:
        """Whether the workers have every task of a configuration. ConfigError if one could not be loaded."""
        missing = {task for inbox in config.inboxes for task in inbox.tasks} - self.tasks.serving.keys()
        refused = [self.succession.refused[task].reason for task in sorted(missing) if task in self.succession.refused]
        if refused:
            raise ConfigError(refused)
        return not missing

    def heed(self, config: Config) -> None:
        """From now on go by this configuration."""
        self._config = config
        self.tasks.heed(config)
        self.succession.heed(config.daemon)
