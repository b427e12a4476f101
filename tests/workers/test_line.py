import importlib
import pickle
import socket
import struct

import pytest

from classifyd.reports import JobReport, PartReport
from classifyd.values import Fault
from classifyd.workers.line import _KNOWN, MAX_MESSAGE_BYTES, Garbled, Incoming, framed, receive, unpickled


class Foreign:
    """A class of somebody's, as a plugin may put it into a report."""


class Deed:
    """Unpickling it would run something."""

    def __reduce__(self):
        return (print, ("unpickled",))


def test_a_message_is_put_together_from_whatever_pieces_it_comes_in():
    incoming = Incoming()
    taken = []
    for byte in framed(b"one") + framed(b"") + framed(b"three"):
        incoming.feed(bytes([byte]))
        while (message := incoming.take()) is not None:
            taken.append(message)

    assert [b"one", b"", b"three"] == taken


def test_a_message_that_claims_to_be_endless_is_garbage_at_once():
    incoming = Incoming()
    incoming.feed(struct.pack("!Q", MAX_MESSAGE_BYTES + 1))

    with pytest.raises(Garbled, match="are the most"):
        incoming.take()


def test_the_end_of_the_line_in_the_middle_of_a_message_is_the_end():
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.send(framed(b"whole") + framed(b"broken off")[:-1])
        assert b"whole" == receive(ours)
        assert receive(ours) is None


def test_a_report_is_unpickled_as_it_was():
    report = JobReport((PartReport("claim", 0, 3, counts={"spam": {"ham": 3}}),), fault=Fault("DiskFault", "full"))

    assert (1, 2, report) == unpickled(pickle.dumps((1, 2, report)))


@pytest.mark.parametrize("value", [Foreign(), Deed(), Foreign, print, __import__])
def test_what_is_not_ours_is_not_unpickled(value, capsys):
    with pytest.raises(Garbled, match="has no place in a report"):
        unpickled(pickle.dumps((1, 2, value)))

    assert "" == capsys.readouterr().out


def test_no_message_can_set_what_a_class_of_ours_has():
    classes = [
        one
        for module in _KNOWN
        for one in vars(importlib.import_module(module)).values()
        if isinstance(one, type) and one.__module__ == module
    ]
    assert len(classes) > 20
    for one in classes:
        #  module, name -> the class itself; (None, {"items": 1}) -> state of slots; BUILD
        forged = f"c{one.__module__}\n{one.__qualname__}\n".encode() + b"(N(S'items'\nI1\ndtb."
        with pytest.raises(Garbled):
            unpickled(forged)
        assert vars(one).get("items") != 1


@pytest.mark.parametrize("message", [b"", b"hello", b"\x80\x05", pickle.dumps(1)[:-1]])
def test_what_is_no_pickle_is_garbage(message):
    with pytest.raises(Garbled):
        unpickled(message)
