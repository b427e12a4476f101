"""How a receiver is told: a command gets a document on its standard input, or it is posted to an address."""

import contextlib
import hashlib
import hmac
import http.client
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from classifyd import __version__
from classifyd.config import ReceiverConfig

SIGNATURE = "Classifyd-Signature"
LOOK_SECONDS = 0.2
"""A running command is looked at this often, for the daemon may be about to end."""

HIDDEN = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
"""What of the daemon's environment is between systemd and it."""


class NotToldError(Exception):
    """The receiver did not take a document; says why."""


class Telling(Protocol):
    """Delivers documents, one at a time, from one thread."""

    def tell(self, document: bytes) -> None:
        """Deliver it. NotToldError if the receiver did not take it, or could not be reached in time."""


def telling(receiver: ReceiverConfig, ending: threading.Event) -> Telling:
    """What tells a receiver; `ending` is set when the daemon has no more time."""
    return Command(receiver, ending) if receiver.command else Webhook(receiver)


class Command:
    """Runs a program for each document: nothing of a sender's is on its command line, what it prints goes nowhere."""

    def __init__(self, receiver: ReceiverConfig, ending: threading.Event) -> None:
        self._command = receiver.command
        self._seconds = receiver.timeout_seconds
        self._ending = ending

    def tell(self, document: bytes) -> None:
        """Exit code 0 means that it was taken."""
        try:
            process = subprocess.Popen(  # noqa: S603  # the operator's own, and no shell
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env={name: value for name, value in os.environ.items() if name not in HIDDEN},
            )
        except OSError as error:
            raise NotToldError(f"{self._command[0]}: {error.strerror}") from error
        with process:
            code = self._waited_for(process, document)
        if code:
            raise NotToldError(f"{self._command[0]} ended with {code}")

    def _waited_for(self, process: subprocess.Popen[bytes], document: bytes) -> int:
        end = time.monotonic() + self._seconds
        given: bytes | None = document
        while True:
            try:
                process.communicate(given, timeout=LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                given = None  # it is on its way
                if time.monotonic() < end and not self._ending.is_set():
                    continue
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)  # with whatever it has started
                late = f"took more than {self._seconds:g} s" if not self._ending.is_set() else "was interrupted"
                raise NotToldError(f"{self._command[0]} {late}") from None
            return process.returncode


class Webhook:
    """Posts each document; redirections are not followed, proxies of the environment not used.

    Secrets and certificates are renewed by others: their files are read again once they have changed.
    """

    def __init__(self, receiver: ReceiverConfig) -> None:
        self._receiver = receiver
        self._address = urlsplit(receiver.webhook)
        self._seconds = receiver.timeout_seconds
        self._secret = b""
        self._trust: ssl.SSLContext | None = None
        self._read: tuple[object, ...] | None = None

    def tell(self, document: bytes) -> None:
        """Any status from 200 to 299 means that it was taken."""
        self._refresh()
        connection = http.client.HTTPConnection(self._address.hostname or "", self._port, timeout=self._seconds)
        path = self._address.path or "/"
        target = f"{path}?{self._address.query}" if self._address.query else path
        try:
            connection.connect()
            with _deadline(connection.sock, self._seconds):
                if self._trust is not None:
                    connection.sock = self._trust.wrap_socket(connection.sock, server_hostname=connection.host)
                connection.request("POST", target, document, self._headers(document))
                status = connection.getresponse().status
        except TimeoutError as error:  # of one byte or of all
            raise NotToldError(f"{self._host}: took more than {self._seconds:g} s") from error
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise NotToldError(f"{self._host}: {_why(error)}") from error
        finally:
            connection.close()
        if not 200 <= status < 300:
            raise NotToldError(f"{self._host} answered {status}")

    def _refresh(self) -> None:
        looks = (_look(self._receiver.secret_file), _look(self._receiver.ca_file))
        if looks == self._read:
            return
        try:
            self._secret = secret_of(self._receiver)
            self._trust = _trust(self._receiver) if self._address.scheme == "https" else None
        except ValueError as error:
            raise NotToldError(str(error)) from error
        self._read = looks

    @property
    def _host(self) -> str:
        """What may be shown: path and query may hold what is secret."""
        return self._address.netloc

    @property
    def _port(self) -> int:
        return self._address.port or (http.client.HTTP_PORT if self._trust is None else http.client.HTTPS_PORT)

    def _headers(self, document: bytes) -> dict[str, str]:
        headers = {"Host": self._host, "Content-Type": "application/json", "User-Agent": f"classifyd/{__version__}"}
        if self._secret:
            headers[SIGNATURE] = "sha256=" + hmac.new(self._secret, document, hashlib.sha256).hexdigest()
        return headers


UNKNOWN_AUTHORITY = (18, 19, 20, 21)
"""OpenSSL's codes for a certificate that is its own authority, or whose authority nobody here knows."""


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = "; ca_file names who may sign it" if error.verify_code in UNKNOWN_AUTHORITY else ""
        return f"its certificate is refused: {error.verify_message}{remedy}"
    if isinstance(error, ssl.SSLError):
        return f"there is no TLS with it: {(error.reason or str(error)).lower().replace('_', ' ')}"
    return str(error) or type(error).__name__


def _trust(receiver: ReceiverConfig) -> ssl.SSLContext:
    """Who may vouch for a receiver: the authorities of its file, else those whom the system trusts.

    ValueError says why the file does not tell.
    """
    try:
        return ssl.create_default_context(cafile=receiver.ca_file)
    except ssl.SSLError as error:
        raise ValueError(f"{receiver.ca_file} has no certificate in PEM") from error
    except OSError as error:
        raise ValueError(f"{receiver.ca_file}: {error.strerror}") from error


def _look(file: Path | None) -> tuple[int, int, int] | None:
    """What tells one state of a file from another; None where there is none."""
    try:
        found = None if file is None else file.stat()
    except OSError:
        return None
    return None if found is None else (found.st_ino, found.st_mtime_ns, found.st_size)


@contextlib.contextmanager
def _deadline(connected: socket.socket, seconds: float) -> Iterator[None]:
    """Break a connection off after so many seconds in all: a timeout of its own counts from each byte that comes.

    TimeoutError if it came to that: what had come by then may look like an answer.
    """
    late = threading.Event()
    connected = connected.dup()  # the one that was given is replaced once it is encrypted

    def break_off() -> None:
        late.set()
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, break_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # it must not meet another's descriptor of that number
        connected.close()
        if late.is_set():
            raise TimeoutError(f"took more than {seconds:g} s")


def secret_of(receiver: ReceiverConfig) -> bytes:
    """The secret that a receiver's documents are signed with, empty for none. ValueError says why it cannot be had."""
    if receiver.secret_env is not None:
        found = os.environ.get(receiver.secret_env, "").encode("utf-8", "surrogateescape")
        where = f"the environment has no {receiver.secret_env}"
    elif receiver.secret_file is not None:
        try:
            found = receiver.secret_file.read_bytes().strip()
        except OSError as error:
            raise ValueError(f"{receiver.secret_file}: {error.strerror}") from error
        where = f"{receiver.secret_file} is empty"
    else:
        return b""
    if not found:
        raise ValueError(f"{where}; put the secret there")
    return found
