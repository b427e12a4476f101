"""The daemon: it discovers, claims, plans, hands to workers, publishes, and keeps the ledger."""

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from types import FrameType

import structlog

from classifyd import logs
from classifyd.config import Config
from classifyd.errors import ClassifydError, DiskFault, UnavailableError
from classifyd.service.daemon import Daemon
from classifyd.service.engine import Engine
from classifyd.service.outside import Outside
from classifyd.service.strays import Strays
from classifyd.service.tasks import Versions

__all__ = ["Daemon", "serve"]

log = structlog.get_logger()


def serve(config: Config, *, once: bool = False, reread: Callable[[], Config] | None = None) -> int:
    """Run a daemon in this process until SIGTERM or SIGINT, or with `once` until the inboxes are drained.

    The exit code: 0, or with `once` 1 if something was quarantined or had to wait. A second signal exits at once.
    SIGHUP has the configuration read again by `reread`: if it is good it comes into force, while everything goes on or,
    where workers have to be made anew for it, after the jobs that they have; else the old one stays. ConfigError and
    UnavailableError are raised before any claim.
    """
    outside = Outside(config, served=not once)
    with Strays() as strays, _signals() as signals, closing(outside), closing(Engine()) as engine:
        begun = partial(_begun, engine, strays=strays, once=once, reread=reread)
        daemon = begun(config, signals, outside)
        code = daemon.run()
        while daemon.successor is not None:
            ended, before, config = daemon, daemon.config, daemon.successor
            serving = daemon.serving
            try:
                inherited = serving if config.models == before.models else None
                daemon = begun(config, signals, outside, inherited)
                outside.metrics.reloaded("taken up")
            except ClassifydError as error:
                # Only now was it seen that a task is unknown, or a bundle broken: the old configuration goes on.
                log.error("reload_failed", error=str(error), consequence="the old configuration stays")
                outside.refused(error)
                config = before
                daemon = begun(config, signals, outside, serving)
            if ended.unheard:
                daemon.hang_up()  # while the other one came to its end
            code = daemon.run()
        return code


class _Signals:
    """Handlers only leave word with the daemon of the moment: its main loop may be anywhere when they run."""

    def __init__(self) -> None:
        self._daemon: Daemon | None = None
        self.asked = 0

    def concern(self, daemon: Daemon) -> None:
        """From now on signals are for this daemon; a wish to stop that came before it does not get lost."""
        self._daemon = daemon
        if self.asked:
            daemon.stop()

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1
        if self.asked > 1:
            os._exit(1)  # what is unfinished is found again at the next start
        if self._daemon is not None:
            self._daemon.stop()

    def hang_up(self, _number: int, _frame: FrameType | None) -> None:
        if self._daemon is not None:
            self._daemon.hang_up()


def _begun(
    engine: Engine,
    config: Config,
    signals: _Signals,
    outside: Outside,
    inherited: Versions | None = None,
    *,
    strays: Strays,
    once: bool,
    reread: Callable[[], Config] | None,
) -> Daemon:
    _configure_logs(config, strays)
    try:
        daemon = Daemon(config, once=once, reread=reread, inherited=inherited, outside=outside, engine=engine)
        signals.concern(daemon)
        daemon.begin()
    except OSError as error:
        where = error.filename or config.daemon.state
        raise UnavailableError(f"{where}: {error.strerror or error}; mend it and start again") from error
    except DiskFault as error:
        raise UnavailableError(str(error)) from error
    return daemon


def _configure_logs(config: Config, strays: Strays) -> None:
    """Where Ray is, what it prints itself must not stand between the lines that programs read."""
    daemon, stream = config.daemon, sys.stderr
    if config.workers.engine == "ray" and not logs.for_people(daemon.log_format, stream):
        stream = strays.set_apart()
    logs.configure(daemon.log_format, daemon.log_level, stream)


@contextmanager
def _signals() -> Iterator[_Signals]:
    """Handlers for as long as daemons run, one after the other; those from before are restored.

    Not so if the process was asked to end: a second signal ends it at once until only the interpreter is left, and
    nothing from then on, so that the exit code is never a signal's.
    """
    signals = _Signals()
    handlers = {signal.SIGTERM: signals.stop, signal.SIGINT: signals.stop, signal.SIGHUP: signals.hang_up}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield signals
    finally:
        if signals.asked:
            atexit.register(_heed_no_more, handlers)
        else:
            for number, action in before.items():
                signal.signal(number, action)


def _heed_no_more(numbers: Iterable[int]) -> None:
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
