"""A stream that decompresses gzip (RFC 1952), bzip2 or xz as it is read, and stops at the limits."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol, cast

from classifyd.api import LimitExceeded, UnreadableFile
from classifyd.values import Limits

MAGIC = {".gz": b"\x1f\x8b\x08", ".bz2": b"BZh", ".xz": b"\xfd7zXZ\x00"}
SUFFIXES = frozenset(MAGIC)
BUFFER_BYTES = 2**18
# Below this no ratio is looked at: a short file of one repeated line is no bomb.
HARMLESS_BYTES = 2**20
# An xz header may ask for a dictionary of 4 GiB; the highest preset needs 65 MiB.
XZ_MEMORY_BYTES = 2**28


class _Engine(Protocol):
    """What the three libraries have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """zlib's object with the interface that bz2 and lzma share."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max(max_length, 0))


ENGINES: dict[str, Callable[[], _Engine]] = {
    ".gz": _Gzip,
    ".bz2": bz2.BZ2Decompressor,
    ".xz": lambda: lzma.LZMADecompressor(memlimit=XZ_MEMORY_BYTES),
}


def decompressed(file: BinaryIO, suffix: str, name: str, limits: Limits) -> BinaryIO:
    """The decompressed bytes of `file`, buffered, not seekable. Reading raises UnreadableFile or LimitExceeded."""
    raw = _Decompressing(file, ENGINES[suffix], f"{name}: {suffix[1:]}", limits)
    return cast("BinaryIO", io.BufferedReader(raw, BUFFER_BYTES))


class _Decompressing(io.RawIOBase):
    """Several members one after another count as one stream, as the command-line tools have it."""

    def __init__(self, file: BinaryIO, engine: Callable[[], _Engine], where: str, limits: Limits) -> None:
        self._file = file
        self._new = engine
        self._engine = engine()
        self._where = where
        self._limits = limits
        self._begun = False
        self._pending = b""
        self._taken = self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        # Filled whole, so that a peek at the buffer above sees as much as there is.
        view = memoryview(cast("bytearray", buffer)).cast("B")
        filled = 0
        while filled < len(view):
            data = self._more(len(view) - filled)
            if not data:
                break
            view[filled : filled + len(data)] = data
            filled += len(data)
        return filled

    def _more(self, size: int) -> bytes:
        """Up to `size` more bytes; none at the end."""
        while True:
            if self._engine.eof and not self._next_member():
                return b""
            data = self._feed()
            if not data and self._engine.needs_input:
                if not self._begun and self._given:
                    return b""
                raise UnreadableFile(f"{self._where} data ends too early; it was cut off: send the file again")
            try:
                result = self._engine.decompress(data, size)
            except (OSError, zlib.error, lzma.LZMAError, ValueError) as error:
                raise UnreadableFile(f"{self._where} data is damaged ({error}); send the file again") from error
            self._begun = True
            if result:
                self._count(len(result))
                return result

    def _next_member(self) -> bool:
        """Begin another member if there is one; padding of zeros after a member is passed over."""
        rest = self._engine.unused_data.lstrip(b"\0")
        while not rest:
            block = self._file.read(io.DEFAULT_BUFFER_SIZE)
            if not block:
                return False
            self._taken += len(block)
            rest = block.lstrip(b"\0")
        self._engine, self._pending, self._begun = self._new(), rest, False
        return True

    def _feed(self) -> bytes:
        if not self._engine.needs_input:
            return b""
        data, self._pending = self._pending, b""
        if not data:
            data = self._file.read(2**16)
            self._taken += len(data)
        return data

    def _count(self, size: int) -> None:
        self._given += size
        limit = self._limits.decompressed_bytes
        if self._given > limit:
            raise LimitExceeded(
                f"{self._where} data holds more than limits.decompressed_bytes = {limit}; "
                "split the file or raise the limit"
            )
        ratio = self._limits.decompression_ratio
        if self._given > HARMLESS_BYTES and self._given > ratio * self._taken:
            raise LimitExceeded(
                f"{self._where} data grows by more than limits.decompression_ratio = {ratio}; "
                "if it is no decompression bomb, raise the limit"
            )
