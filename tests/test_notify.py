"""The socket to systemd never holds the daemon up."""

import socket

from classifyd.notify import Notifier


def test_a_socket_that_nobody_reads_or_that_is_gone_blocks_nothing(tmp_path):
    address = str(tmp_path / "notify")
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.alive()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind(address)
        for _ in range(5000):  # more than any queue holds
            notifier.alive()
        assert link.recv(100) == b"WATCHDOG=1"


def test_an_abstract_socket_is_found():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind("")  # the kernel chooses an abstract name
        Notifier({"NOTIFY_SOCKET": "@" + link.getsockname()[1:].decode()}).ready()
        assert link.recv(100) == b"READY=1"
