"""Opening an input: a regular file, never through a link, decompressed as it is read, within the limits."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import BinaryIO

from classifyd import beneath
from classifyd.api import LimitExceeded, Source, UnreadableFile
from classifyd.readers.decompress import MAGIC, SUFFIXES, decompressed
from classifyd.values import ReadOptions

# O_NONBLOCK so that opening a FIFO returns at once; what is not a regular file is then refused.
FLAGS = os.O_RDONLY | os.O_NONBLOCK
# What a sender can bring about by what he puts there, or does with it meanwhile: no trouble of the disk's.
REASONS = {
    errno.ELOOP: "is a symbolic link; put the file itself into the inbox",
    errno.ENXIO: "is a socket or device, not a file; remove it from the inbox",
    errno.ENODEV: "is a socket or device, not a file; remove it from the inbox",
    errno.EMLINK: "has several names (hard links) and may be another's file; copy it into the inbox, or set "
    "hard_links = true if all who can write there are trusted",
    errno.ENOTDIR: "a link or a file stands where one of its folders was; links are never followed",
    errno.ENAMETOOLONG: "its path is too long; put it into fewer sub-folders",
    errno.EAGAIN: "a program holds a lease on it, and reading would wait for that; send the file again",
}


@contextmanager
def open_source(path: str, name: str, reading: ReadOptions, below: str = "") -> Iterator[Source]:
    """An input, open at its beginning; closed on leaving. On the way to it from the folder `below` no link is followed.

    UnreadableFile for links, devices, FIFOs, folders, files with several names (unless `reading` allows those) and
    damaged compression; LimitExceeded for a file that is too large. Errors of the disk pass as OSError.
    """
    with open_file(path, name, reading, below) as file:
        compression = _compression(file, name)
        if compression is None:
            yield Source(file, name, reading.text_field, reading.limits)
            return
        shown = name[: -len(compression)] if name.lower().endswith(compression) else name
        with decompressed(file, compression, name, reading.limits) as stream:
            yield Source(stream, shown, reading.text_field, reading.limits)


def open_file(path: str, name: str, reading: ReadOptions, below: str = "") -> BinaryIO:
    """The same as it lies there, whatever it is compressed with."""
    descriptor = _descriptor(path, name, reading, below or os.path.dirname(path) or ".")  # noqa: PTH120  # names may not be UTF-8
    try:
        _check(os.fstat(descriptor), name, reading)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _descriptor(path: str, name: str, reading: ReadOptions, below: str) -> int:
    try:
        return beneath.open_file(below, os.path.relpath(path, below), FLAGS, alone=not reading.hard_links)
    except OSError as error:
        reason = REASONS.get(error.errno or 0)
        if reason is not None:
            raise UnreadableFile(f"{name}: {reason}") from error
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
