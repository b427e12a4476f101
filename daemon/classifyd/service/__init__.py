"""The daemon: it discovers, claims, plans, hands to workers, publishes, and keeps the ledger."""

import os
import signal
from types import FrameType

from classifyd import logs
from classifyd.config import Config
from classifyd.service.daemon import Daemon

__all__ = ["Daemon", "serve"]


def serve(config: Config, *, once: bool = False) -> int:
    """Run a daemon in this process until SIGTERM or SIGINT, or with `once` until the inboxes are drained.

    The exit code: 0, or with `once` 1 if something was quarantined or had to wait. A second signal exits at once.
    ConfigError and UnavailableError are raised before anything is claimed.
    """
    logs.configure(config.daemon.log_format, config.daemon.log_level)
    daemon = Daemon(config, once=once)
    signals = 0

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal signals
        signals += 1
        if signals > 1:
            os._exit(1)  # what is unfinished is found again at the next start
        daemon.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return daemon.run()
    finally:
        for number, action in before.items():
            signal.signal(number, action)
