"""Telling systemd how the daemon fares (sd_notify(3)), where it was started by systemd; elsewhere nothing happens."""

import contextlib
import os
import socket
import time
from collections.abc import Mapping

PATIENCE_SECONDS = 60.0
"""So much later than now systemd may act, counted anew with each message that asks for it."""
SEND_SECONDS = 5.0
"""So long a change of state waits for room in the socket; what is said every second does not wait at all."""


class Notifier:
    """Sends datagrams to the socket that $NOTIFY_SOCKET names."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the zero byte of an abstract socket's name.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def loading(self) -> None:
        """Models are being loaded, as fast as their deadline asks: the start may take so much longer."""
        self.send(f"EXTEND_TIMEOUT_USEC={_micro(PATIENCE_SECONDS)}\nWATCHDOG=1\nSTATUS=loading and testing the models")

    def ready(self) -> None:
        """Plugins and models are loaded, known answers were given, and recovery is done."""
        self.send("READY=1", SEND_SECONDS)

    def reloading(self) -> None:
        """A new configuration is being taken up; `ready` ends it. systemd tells it from an older one by the time."""
        self.send(f"RELOADING=1\nMONOTONIC_USEC={_micro(time.clock_gettime(time.CLOCK_MONOTONIC))}", SEND_SECONDS)

    def stopping(self, seconds: float) -> None:
        """No new input is taken any more; running jobs have `seconds` left."""
        self.send(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={_micro(seconds + PATIENCE_SECONDS)}", SEND_SECONDS)

    def alive(self) -> None:
        """The main loop makes progress, and so do the workers."""
        self.send("WATCHDOG=1")

    def status(self, line: str) -> None:
        """What `systemctl status` is to show."""
        self.send(f"STATUS={line}")

    def send(self, message: str, wait_seconds: float = 0.0) -> None:
        """Send one message; a socket that is gone, or full for so long, is no reason to stop working."""
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.settimeout(wait_seconds)
            link.sendto(message.encode(), self._address)


def _micro(seconds: float) -> int:
    return int(seconds * 1_000_000)


def from_environment() -> Notifier:
    """The notifier for this process."""
    return Notifier(os.environ)
