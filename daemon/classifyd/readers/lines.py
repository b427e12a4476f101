"""Lines of a byte stream, with a bound on what one may hold, and fast counting of them for cutting."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

PIECE_BYTES = 2**20


def is_blank(data: bytes) -> bool:
    """Whether a line holds nothing, so that it is neither read nor counted."""
    return not data.strip()


def lines(stream: BinaryIO, end: int | None, limit: int) -> Iterator[bytes | int]:
    """The lines from the stream's position up to `end` (an offset, or None for all); its size for one over the limit.

    A line over the limit is passed over without being held. Lines that begin before `end` are read whole.
    """
    left = None if end is None else end - stream.tell()
    readline = stream.readline
    while left is None or left > 0:
        data = readline(limit + 2)
        if not data:
            return
        size = len(data)
        if size > limit + 1 and data[-1] != 10:
            size += _pass_over(stream)
            yield size
        else:
            yield data
        if left is not None:
            left -= size


def _pass_over(stream: BinaryIO) -> int:
    """Read to the end of the line, hold nothing, and tell how many bytes it was."""
    size = 0
    while True:
        data = stream.readline(PIECE_BYTES)
        size += len(data)
        if not data or data[-1] == 10:
            return size


def cut_lines(stream: BinaryIO, size: int, is_blank: Callable[[bytes], bool]) -> Iterator[tuple[int, int, int]]:
    """Ranges (start, end, records) of whole lines, of about `size` bytes each; blank lines do not count."""
    start = stream.tell()
    while True:
        counter = Counter(is_blank)
        end = start + _fill(stream, size, counter)
        if end == start:
            return
        yield start, end, counter.total
        start = end


def _fill(stream: BinaryIO, size: int, counter: "Counter") -> int:
    """Count `size` bytes and what the last line needs more; tell how many bytes it was."""
    taken = 0
    while taken < size:
        piece = stream.read(min(PIECE_BYTES, size - taken))
        if not piece:
            break
        counter.feed(piece)
        taken += len(piece)
    while counter.midway:
        piece = stream.readline(PIECE_BYTES)
        if not piece:
            break
        counter.feed(piece)
        taken += len(piece)
    counter.finish()
    return taken


class Counter:
    """Counts lines that are not blank in pieces that may end anywhere."""

    def __init__(self, is_blank: Callable[[bytes], bool]) -> None:
        self.total = 0
        self.midway = False
        self._is_blank = is_blank
        self._open = False

    def feed(self, piece: bytes) -> None:
        """Count the lines that end in this piece."""
        if not piece:
            return
        first, *others = piece.split(b"\n")
        self._open = self._open or not self._is_blank(first)
        if others:
            last = others.pop()
            self.total += self._open + len(others) - sum(map(self._is_blank, others))
            self._open = not self._is_blank(last)
        self.midway = piece[-1] != 10

    def finish(self) -> None:
        """Count the line that the end of the file ends."""
        self.total += self._open
        self._open = self.midway = False
