"""Files and folders that are on the disk for good before anything relies on them."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_CHUNK_BYTES = 2**20


def copy(source: Path, target: Path) -> str:
    """Copy a file to a new name and fsync it; the sha256 of the bytes that were written."""
    digest = hashlib.sha256()
    with source.open("rb") as data, target.open("xb") as stream:
        while chunk := data.read(_CHUNK_BYTES):
            digest.update(chunk)
            stream.write(chunk)
        _sync(stream)
    return digest.hexdigest()


def write(path: Path, data: bytes) -> None:
    """Write a file, in place of one that is there, and fsync it."""
    with path.open("wb") as stream:
        stream.write(data)
        _sync(stream)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder against others who hold it so: changes of what serves and removals must not cross each other.

    OSError if there is no such folder. The lock is the folder's own, so that none is left behind.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make a folder durable: after a power cut a new name may be missing, however safe the bytes are."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
