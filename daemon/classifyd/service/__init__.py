"""The daemon: it discovers, claims, plans, hands to workers, publishes, and keeps the ledger."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import structlog

from classifyd import logs
from classifyd.config import Config
from classifyd.errors import ClassifydError
from classifyd.service.daemon import Daemon

__all__ = ["Daemon", "serve"]

log = structlog.get_logger()


def serve(config: Config, *, once: bool = False, reread: Callable[[], Config] | None = None) -> int:
    """Run a daemon in this process until SIGTERM or SIGINT, or with `once` until the inboxes are drained.

    The exit code: 0, or with `once` 1 if something was quarantined or had to wait. A second signal exits at once.
    SIGHUP has the configuration read again by `reread`: if it is good, the daemon finishes the jobs that workers have
    and goes on under it, else the old one stays. ConfigError and UnavailableError are raised before any claim.
    """
    daemon = _daemon(config, once, reread)
    code = _run(daemon)
    while daemon.successor is not None:
        before, config = config, daemon.successor
        try:
            daemon = _daemon(config, once, reread)
            code = _run(daemon)
        except ClassifydError as error:
            # Only now was it seen that a task is unknown, or a bundle broken: the old configuration goes on.
            log.error("reload_failed", error=str(error), consequence="the old configuration stays")
            config = before
            daemon = _daemon(config, once, reread)
            code = _run(daemon)
    return code


def _daemon(config: Config, once: bool, reread: Callable[[], Config] | None) -> Daemon:
    logs.configure(config.daemon.log_format, config.daemon.log_level)
    return Daemon(config, once=once, reread=reread)


def _run(daemon: Daemon) -> int:
    with _signals(daemon):
        return daemon.run()


@contextmanager
def _signals(daemon: Daemon) -> Iterator[None]:
    """Signals concern this daemon. Handlers only leave word: the main loop may be anywhere when they run."""
    asked = 0

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            os._exit(1)  # what is unfinished is found again at the next start
        daemon.stop()

    def hang_up(_number: int, _frame: FrameType | None) -> None:
        daemon.hang_up()

    handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: hang_up}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
