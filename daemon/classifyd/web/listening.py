"""Where the server listens, and the thread in which it does: an address of its own, or a socket that systemd made."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, MutableMapping
from typing import Any, cast

import structlog
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import create_server

from classifyd.errors import UnavailableError

log = structlog.get_logger()

FIRST_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""

THREADS = 4
"""Requests at a time. Reading and writing are done by one thread more, which no slow client keeps."""

PATIENCE_SECONDS = 30.0
"""So long a client may take to send its request, and again to take the answer, by the monotonic clock."""

TERMS: dict[str, Any] = {
    "threads": THREADS,
    "connection_limit": 64,
    "max_request_header_size": 16 * 2**10,
    "max_request_body_size": 64 * 2**10,
    "inbuf_overflow": 2**20,  # nothing goes by way of a file: a full disk is no reason to say nothing
    "outbuf_overflow": 2**26,
    "asyncore_use_poll": True,  # select(2) knows no descriptor above 1023
    "ident": None,  # nobody need know what serves this
    "log_socket_errors": False,
    "expose_tracebacks": False,
    "clear_untrusted_proxy_headers": True,
}
"""What waitress holds every connection to."""


def taken_over(environ: MutableMapping[str, str]) -> socket.socket | None:
    """The socket that systemd listens to for this process (sd_listen_fds(3)), once; None without one."""
    if environ.get("LISTEN_PID") != str(os.getpid()) or not environ.get("LISTEN_FDS", "0").isdigit():
        return None
    count = int(environ["LISTEN_FDS"])
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):  # they are not for programs that this one starts
        environ.pop(name, None)
    if count < 1:
        return None
    found = socket.socket(fileno=FIRST_DESCRIPTOR)
    found.set_inheritable(False)
    return found


def bound(address: tuple[str, int]) -> socket.socket:
    """A socket at an address and port. UnavailableError if that cannot be had."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        with contextlib.ExitStack() as stack:
            made = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
            made.listen()
            stack.pop_all()
            return made
    except OSError as error:
        raise UnavailableError(
            f'[http] listen: {shown(address)}: {error.strerror}; name another port, or listen = "" for none'
        ) from error


def shown(address: tuple[str, int]) -> str:
    """An address and port as people write them."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Listener:
    """Serves a WSGI application on a socket, in threads of its own, until it is stopped; then it closes the socket."""

    def __init__(self, app: Callable[..., Any], listening: socket.socket) -> None:
        self.address: tuple[str, int] = listening.getsockname()[:2]
        self._channels: dict[int, Any] = {}
        self._server = cast("Any", create_server(app, map=self._channels, sockets=[listening], **TERMS))
        self._server.channel_class = _Connection
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close every connection; an answer that is under way may be cut off."""
        with contextlib.suppress(OSError):
            self._server.trigger.pull_trigger(lambda: wasyncore.close_all(self._channels, ignore_all=True))
        self._thread.join(5.0)
        self._server.task_dispatcher.shutdown(timeout=1)

    def _run(self) -> None:
        try:
            self._server.run()
        except Exception as error:  # noqa: BLE001  # whatever it is, the daemon goes on without a page
            log.error("http_ended", error=f"{type(error).__name__}: {error}")


class _OnlyRequest(HTTPRequestParser):
    """The one of its connection: there are few, and who keeps one busy keeps others out."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        self.headers = {**self.headers, "CONNECTION": "close"}


class _Connection(HTTPChannel):
    """Closes itself where its client takes too long, be it a byte at a time; not while the request is answered."""

    parser_class = _OnlyRequest

    def __init__(self, *given: Any, **named: Any) -> None:
        self._since = time.monotonic()
        super().__init__(*given, **named)

    def readable(self) -> bool:
        # The server asks once a second at least. It would close only what can be written to, not where nobody reads.
        now = time.monotonic()
        if self.requests:
            self._since = now
        elif now - self._since > PATIENCE_SECONDS:
            self.will_close = self.close_when_flushed = False
            self.handle_close()
            return False
        return bool(super().readable())
