"""Telling systemd how the daemon fares (sd_notify(3)), where it was started by systemd; elsewhere nothing happens."""

import contextlib
import os
import socket
from collections.abc import Mapping


class Notifier:
    """Sends datagrams to the socket that $NOTIFY_SOCKET names."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the zero byte of an abstract socket's name.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def ready(self) -> None:
        """Plugins and models are loaded and recovery is done."""
        self.send("READY=1")

    def stopping(self) -> None:
        """No new input is taken any more."""
        self.send("STOPPING=1")

    def alive(self, status: str) -> None:
        """The main loop makes progress; `status` is a line for `systemctl status`."""
        self.send(f"WATCHDOG=1\nSTATUS={status}")

    def send(self, message: str) -> None:
        """Send one message; a socket that is gone is no reason to stop working."""
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.sendto(message.encode(), self._address)


def from_environment() -> Notifier:
    """The notifier for this process."""
    return Notifier(os.environ)
