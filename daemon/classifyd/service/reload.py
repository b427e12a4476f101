"""A HUP: the configuration is read again, and if it is bad the old one stays."""

from collections.abc import Callable

import structlog

from classifyd.config import Config
from classifyd.errors import ClassifydError
from classifyd.notify import Notifier

log = structlog.get_logger()


class Reload:
    """`ask` may be called from a signal handler; without `reread` it asks in vain. `told` gets what came of it."""

    def __init__(self, reread: Callable[[], Config] | None, notifier: Notifier, told: Callable[[str], None]) -> None:
        self._reread = reread
        self._notifier = notifier
        self._told = told
        self._asked = False

    def ask(self) -> None:
        """Have the configuration read again, soon."""
        self._asked = True

    def taken(self) -> Config | None:
        """The configuration, read again if somebody has asked; None if nobody has, or if it is bad."""
        if not self._asked or self._reread is None:
            return None
        self._asked = False
        self._notifier.reloading()
        try:
            return self._reread()
        except ClassifydError as error:
            log.error("reload_failed", error=str(error), consequence="the old configuration stays")
            self._told("refused")
            self._notifier.ready()
            return None
