"""The server's own thread: slow and greedy clients keep nobody, and systemd may hand over the socket."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from daemons import wait_until

from classifyd.errors import UnavailableError
from classifyd.web import listening
from classifyd.web.listening import Listener, bound, taken_over

GATE = threading.Event()


def app(environ, start_response):  # type: ignore[no-untyped-def]
    if environ["PATH_INFO"] == "/slow":
        GATE.wait(60)
    body = b"x" * (5 * 2**20) if environ["PATH_INFO"] == "/large" else environ["wsgi.input"].read() or b"here"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@pytest.fixture
def listener() -> Iterator[Listener]:
    GATE.clear()
    made = Listener(app, bound(("127.0.0.1", 0)))
    yield made
    GATE.set()
    made.stop()


def ask(listener: Listener, path: str = "/", body: bytes | None = None) -> tuple[int, bytes]:
    connection = HTTPConnection(*listener.address, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST" if body else "GET", path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_clients_that_send_or_read_slowly_keep_nobody_waiting(listener: Listener) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            half = stack.enter_context(socket.create_connection(listener.address))
            half.sendall(b"GET / HTTP/1.1\r\nHost: x")
        for _ in range(5):
            reader = stack.enter_context(socket.create_connection(listener.address))
            reader.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        assert ask(listener) == (200, b"here")


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\nContent-Length: 9999\r\n\r\n"])
def test_requests_that_come_a_byte_at_a_time_do_not_keep_others_out_for_long(
    begun: bytes, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "PATIENCE_SECONDS", 1.0)
    over = threading.Event()
    with contextlib.ExitStack() as stack:
        trickling = [stack.enter_context(socket.create_connection(listener.address)) for _ in range(70)]

        def trickle() -> None:
            while not over.wait(0.1):
                for one in trickling:
                    with contextlib.suppress(OSError):
                        one.sendall(b"a" if begun else b"")

        for one in trickling:
            one.sendall(begun)
        thread = threading.Thread(target=trickle)
        thread.start()
        stack.callback(thread.join)
        stack.callback(over.set)
        assert ask(listener) == (200, b"here")


def test_an_answer_that_nobody_takes_is_not_kept(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "PATIENCE_SECONDS", 1.0)
    nobody = len(listener._channels)
    with socket.create_connection(listener.address) as reader:
        reader.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: len(listener._channels) > nobody)
        wait_until(lambda: len(listener._channels) == nobody, 10)


def test_an_answer_that_takes_long_to_make_is_sent_whole(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "PATIENCE_SECONDS", 3.0)
    opening = threading.Timer(5.0, GATE.set)
    opening.start()
    assert ask(listener, "/slow") == (200, b"here")
    opening.join()


def test_a_connection_has_one_request(listener: Listener) -> None:
    with socket.create_connection(listener.address, timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n")
        told = b"".join(iter(lambda: client.recv(4096), b""))
    assert told.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" in told


def test_a_request_that_is_too_large_is_refused(listener: Listener) -> None:
    assert ask(listener, "/" + "x" * 20_000)[0] == 431
    assert ask(listener, "/", b"x" * 100_000)[0] == 413
    assert ask(listener, "/", b"x" * 1000) == (200, b"x" * 1000)


def test_it_stops_while_a_request_is_under_way_and_gives_the_address_back(listener: Listener) -> None:
    with socket.create_connection(listener.address) as waiting:
        waiting.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.2)
        listener.stop()
        assert not GATE.is_set()
    bound(listener.address).close()


def test_an_address_that_is_taken_is_told_with_what_to_do(listener: Listener) -> None:
    with pytest.raises(UnavailableError, match=r"Address already in use; name another port, or listen = \"\" for none"):
        bound(listener.address)


@pytest.mark.parametrize("environ", [{}, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}])
def test_a_socket_that_is_meant_for_another_process_is_not_taken(environ: dict[str, str]) -> None:
    assert taken_over(environ) is None


def test_a_socket_of_systemd_is_taken_once_and_not_passed_on() -> None:
    with bound(("127.0.0.1", 0)) as made:
        code = """
import os
from classifyd.web.listening import taken_over
os.environ["LISTEN_PID"] = str(os.getpid())
found = taken_over(os.environ)
print(found.getsockname()[1], found.get_inheritable(), [name for name in os.environ if name.startswith("LISTEN_")])
print(taken_over(os.environ))
"""
        os.set_inheritable(made.fileno(), True)
        shell = f"exec 3<&{made.fileno()}; exec {sys.executable} -c '{code}'"
        environ = os.environ | {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "classifyd.socket"}
        outcome = subprocess.run(
            ["/bin/bash", "-c", shell],
            env=environ,
            pass_fds=[made.fileno()],
            capture_output=True,
            text=True,
            check=False,
        )
        assert outcome.stdout.splitlines() == [f"{made.getsockname()[1]} False []", "None"], outcome.stderr
