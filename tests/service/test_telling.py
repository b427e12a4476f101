"""Receivers at their worst: answers that never end, secrets that are gone, threads that must not die."""

import contextlib
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from classifyd.config import ReceiverConfig
from classifyd.errors import ConfigError
from classifyd.ledger import Ledger
from classifyd.service.receivers import Receivers
from classifyd.service.telling import NotToldError, Webhook


@pytest.fixture
def ledger(tmp_path):
    with contextlib.closing(Ledger(tmp_path / "ledger.sqlite")) as opened:
        yield opened


@pytest.fixture
def trickling():
    """The address of a server that answers a byte now and then, and never comes to an end."""
    ended = threading.Event()

    def serve():
        with contextlib.suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                while not ended.wait(0.1):
                    connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/told"
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)  # wakes it, should nobody have come
    thread.join()


def test_an_answer_that_trickles_is_broken_off_in_time(trickling):
    began = time.monotonic()
    with pytest.raises(NotToldError, match="took more than 1 s"):
        Webhook(ReceiverConfig("slow", webhook=trickling, timeout_seconds=1.0)).tell(b"{}")
    assert time.monotonic() - began < 20, "each byte that came must not begin the time anew"


def test_a_handshake_that_trickles_is_broken_off_in_time():
    """The first record of a TLS server's answer, a byte at a time: a header that promises 16 KiB."""
    ended = threading.Event()

    def serve():
        with contextlib.suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"\x16\x03\x03\x40\x00")
                while not ended.wait(0.1):
                    connection.sendall(b"\x02")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        address = f"https://127.0.0.1:{listening.getsockname()[1]}/told"
        began = time.monotonic()
        try:
            with pytest.raises(NotToldError, match="took more than 1 s"):
                Webhook(ReceiverConfig("slow", webhook=address, timeout_seconds=1.0)).tell(b"{}")
            assert time.monotonic() - began < 20
        finally:
            ended.set()
            listening.shutdown(socket.SHUT_RDWR)  # wakes it, should nobody have come
    thread.join()


def noted(receivers):
    with receivers.noting():
        receivers.note("in", "published", 1.0, lambda: "{}")


def test_what_waits_outlives_a_configuration_that_cannot_begin(ledger, tmp_path):
    receiver = ReceiverConfig("old", webhook="http://127.0.0.1:9/told")
    noted(Receivers([receiver], ledger, lambda *_: None))

    other = ReceiverConfig("new", webhook="http://127.0.0.1:9/told", secret_file=tmp_path / "missing")
    with pytest.raises(ConfigError, match="missing"):
        Receivers([other], ledger, lambda *_: None).begin(Path(tmp_path / "ledger.sqlite"))
    assert 1 == ledger.untold("old")

    Receivers([], ledger, lambda *_: None).forget_others()
    assert 0 == ledger.untold("old")


def test_a_commit_that_fails_leaves_no_notice_counted(ledger):
    receivers = Receivers([ReceiverConfig("crm", webhook="http://127.0.0.1:9/told")], ledger, lambda *_: None)
    with pytest.raises(OSError, match="full"), receivers.noting():
        receivers.note("in", "published", 1.0, lambda: "{}")
        raise OSError("full")
    noted(receivers)

    receivers.settle(now=True)
    assert 1 == receivers.waiting()["crm"].count


def test_each_notice_that_makes_room_is_counted(ledger):
    crm = ReceiverConfig("crm", webhook="http://127.0.0.1:9/told")
    before = Receivers([crm], ledger, lambda *_: None)
    for _ in range(5):
        noted(before)
    counted = []
    after = Receivers([replace(crm, max_waiting=2)], ledger, lambda *told: counted.append(told))
    after._lines["crm"].sure = False  # as `begin` leaves it, but for the thread that tells
    after.settle(now=True)

    noted(after)

    assert [("crm", "given up", 4)] == counted
    assert 2 == ledger.untold("crm") == after.waiting()["crm"].count
