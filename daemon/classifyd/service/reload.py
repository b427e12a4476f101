"""A HUP: the configuration is read again, and comes into force as far as it can while everything goes on.

A fault changes nothing. What only other workers can do waits for them: tasks that no inbox had before are loaded by a
second shift first, and for other settings of the workers the daemon goes on anew in the same process.
"""

import contextlib
from collections.abc import Callable, Iterator

import structlog

from classifyd.config import Config
from classifyd.errors import ClassifydError, UnavailableError
from classifyd.notify import Notifier
from classifyd.service.change import Change, compare
from classifyd.service.crew import Crew
from classifyd.service.outside import Outside

log = structlog.get_logger()


class Reload:
    """`ask` may be called from a signal handler; without `reread` it asks in vain.

    `heed` brings a configuration into force, or raises a ClassifydError and changes nothing. `successor` is one for
    which the workers have to be made anew, None as long as there is none. `asked` says that nothing was read since.
    """

    def __init__(
        self,
        reread: Callable[[], Config] | None,
        crew: Crew,
        heed: Callable[[Config], None],
        *,
        notifier: Notifier,
        outside: Outside,
    ) -> None:
        self.successor: Config | None = None
        self._reread = reread
        self._crew = crew
        self._heed = heed
        self._notifier = notifier
        self._outside = outside
        self.asked = False
        self._pending: Change | None = None

    def ask(self) -> None:
        """Have the configuration read again, soon."""
        self.asked = True

    def look(self, config: Config) -> None:
        """Read it again if somebody has asked, and go on with what is pending; `config` is the one in force."""
        try:
            with _told():
                if self.asked and self._reread is not None:
                    self._read(self._reread, config)
        except ClassifydError as error:
            self._refuse(error)
        try:
            with _told():
                if self._pending is not None:
                    self._go_on(self._pending)
        except ClassifydError as error:
            self._pending = None
            self._crew.ask_for(None)
            self._refuse(error)

    def _read(self, reread: Callable[[], Config], config: Config) -> None:
        self.asked = False
        self._notifier.reloading()
        change = compare(config, reread())
        self._crew.check(change.config)
        self._pending = None
        if change.of_workers:
            log.info("reloading", workers_for=list(change.of_workers))
            self._tell_of_what_is_kept(change)
            self.successor = change.config
            return
        self._crew.ask_for(change.config)
        self._pending = change

    def _go_on(self, change: Change) -> None:
        """Bring a configuration into force once the workers have loaded all that it asks for."""
        if not self._crew.has_all(change.config):
            return
        self._heed(change.config)
        self._pending = None
        self._tell_of_what_is_kept(change)
        log.info("reloaded", inboxes=len(change.config.inboxes))
        self._outside.metrics.reloaded("taken up")
        self._notifier.ready()

    def _tell_of_what_is_kept(self, change: Change) -> None:
        self._outside.unmet = dict(change.kept)
        for setting, what in change.kept.items():
            log.warning("kept", setting=setting, consequence=what)

    def _refuse(self, error: ClassifydError) -> None:
        log.error("reload_failed", error=str(error), consequence="the old configuration stays")
        self._outside.refused(error)
        self._notifier.ready()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What a disk refuses is told like any other fault of a configuration, and is no end of the daemon."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"{error.filename}: {error.strerror}") from error
