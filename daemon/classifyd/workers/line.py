"""The line between the daemon and a worker: messages with their length before them, and no trust in what comes back.

The daemon never waits on it: a worker may die in the middle of a message, write what is none, or not read.
"""

import io
import pickle
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("!Q")
MAX_MESSAGE_BYTES = 64 * 2**20
"""No report is nearly as long; a longer one is garbage, or a plugin's."""

_CHUNK = 2**16
_VALUES = ("answers", "empty", "models", "records", "training")
_KNOWN = frozenset({"classifyd.reports", "classifyd.offers", *(f"classifyd.values.{part}" for part in _VALUES)})


class Garbled(Exception):  # not an error of ours: the worker is replaced for it
    """What came over the line is no message, or holds what has no place in one."""


def framed(message: bytes) -> bytes:
    """A message as it goes over the line."""
    return _LENGTH.pack(len(message)) + message


def receive(line: socket.socket) -> bytes | None:
    """The next message, waited for; None if the other end is gone."""
    head = _exactly(line, _LENGTH.size)
    return None if head is None else _exactly(line, _LENGTH.unpack(head)[0])


class Incoming:
    """Puts a message together from the pieces that have come so far."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> None:
        """Take in what was read."""
        self._buffer += piece

    def take(self) -> bytes | None:
        """The next whole message; None if there is none yet. Garbled if it claims to be longer than any can be."""
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > MAX_MESSAGE_BYTES:
            raise Garbled(f"a message of {length} bytes, where {MAX_MESSAGE_BYTES} are the most")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        message = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        return message


def read_some(line: socket.socket) -> bytes:
    """What is there to be read, of a line that does not block; nothing if the other end is gone."""
    try:
        return line.recv(_CHUNK)
    except ConnectionError:
        return b""


def unpickled(message: bytes) -> Any:
    """What a worker sent, made of plain values and our own alone. Garbled if it holds anything else.

    A worker runs foreign code, so that unpickling what it sends must not be a way to run some here.
    """
    try:
        return _Plain(io.BytesIO(message)).load()
    except Exception as error:  # a damaged pickle raises whatever it likes
        raise Garbled(f"{type(error).__name__}: {error}") from error


class _Plain(pickle.Unpickler):
    """Knows the classes of `reports`, `offers` and `values`, and no function at all."""

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name) if module in _KNOWN and "." not in name else None
        if isinstance(found, type) and found.__module__ == module:
            return found
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a report")


def _exactly(line: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        piece = line.recv(min(size - len(data), 2**20))
        if not piece:
            return None
        data += piece
    return bytes(data)
