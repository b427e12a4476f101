"""Opening an input: a regular file, never through a link, decompressed as it is read, within the limits."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import BinaryIO

from classifyd.api import LimitExceeded, Source, UnreadableFile
from classifyd.readers.decompress import MAGIC, SUFFIXES, decompressed
from classifyd.values import ReadOptions

# O_NONBLOCK so that opening a FIFO returns at once; what is not a regular file is then refused.
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def open_source(path: str, name: str, reading: ReadOptions) -> Iterator[Source]:
    """An input, open at its beginning; closed on leaving.

    UnreadableFile for links, devices, FIFOs, folders and damaged compression; LimitExceeded for a file that is too
    large. Errors of the disk pass as OSError.
    """
    with _open(path, name, reading) as file:
        compression = _compression(file, name)
        if compression is None:
            yield Source(file, name, reading.text_field, reading.limits)
            return
        shown = name[: -len(compression)] if name.lower().endswith(compression) else name
        with decompressed(file, compression, name, reading.limits) as stream:
            yield Source(stream, shown, reading.text_field, reading.limits)


def _open(path: str, name: str, reading: ReadOptions) -> BinaryIO:
    descriptor = _descriptor(path, name)
    try:
        _check(os.fstat(descriptor), name, reading)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _descriptor(path: str, name: str) -> int:
    try:
        return os.open(path, FLAGS)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UnreadableFile(f"{name}: is a symbolic link; put the file itself into the inbox") from error
        if error.errno in {errno.ENXIO, errno.ENODEV}:
            raise UnreadableFile(f"{name}: is a socket or device, not a file; remove it from the inbox") from error
        raise
    except ValueError as error:
        raise UnreadableFile(f"{name!r}: no file can have this name ({error}); rename it") from error


def _check(status: os.stat_result, name: str, reading: ReadOptions) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableFile(f"{name}: is not a regular file; remove it from the inbox")
    if status.st_size > reading.limits.file_bytes:
        raise LimitExceeded(
            f"{name}: has {status.st_size} bytes, more than limits.file_bytes = {reading.limits.file_bytes}; "
            "split the file or raise the limit"
        )


def _compression(file: BinaryIO, name: str) -> str | None:
    """The suffix of the compression: by name, or by the first bytes where the name has no suffix."""
    suffix = PurePath(name).suffix.lower()
    if suffix in SUFFIXES:
        return suffix
    if suffix and PurePath(name).parent.name not in {"new", "cur"}:
        return None
    start = file.read(8)
    file.seek(0)
    return next((kind for kind, magic in MAGIC.items() if start.startswith(magic)), None)
