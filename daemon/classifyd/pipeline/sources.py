"""Opening an input, with the disk's errors told apart: the input's own fault, or one that will pass."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from classifyd import readers
from classifyd.api import Reader, Source, UnreadableFile
from classifyd.errors import ClassifydError, DiskFault
from classifyd.jobs import Split
from classifyd.readers import spool
from classifyd.values import ReadOptions


@contextmanager
def opened_split(split: Split, reading: ReadOptions) -> Iterator[Source]:
    """A split's source: the input, or the spool of one that cannot be cut. Raises what `opened` raises."""
    if split.reader != spool.NAME:
        with opened(split.path, split.name, reading, split.below) as source:
            yield source
        return
    # Ours, whatever the input is called: never decompressed again, and held to no limit of inputs.
    try:
        with Path(split.path).open("rb") as file:
            yield Source(file, split.name, reading.text_field, reading.limits)
    except OSError as error:
        raise DiskFault(f"{split.path}: {error.strerror or error}; it will be read again later") from error


@contextmanager
def opened(path: str, name: str, reading: ReadOptions, below: str = "") -> Iterator[Source]:
    """An input, open for reading. UnreadableFile if it cannot be read at all, DiskFault if it cannot be read now.

    On the way to it from the folder `below`, or else from its own, no link is followed.
    """
    with _told_apart(path, name), readers.open_source(path, name, reading, below) as source:
        yield source


@contextmanager
def opened_file(split: Split, reading: ReadOptions) -> Iterator[BinaryIO]:
    """The file of a split as it lies there, whatever it is compressed with. Raises what `opened` raises."""
    if split.reader == spool.NAME:
        with _told_apart(split.path, split.name), Path(split.path).open("rb") as file:
            yield file
        return
    with _told_apart(split.path, split.name), readers.open_file(split.path, split.name, reading, split.below) as file:
        yield file


@contextmanager
def _told_apart(path: str, name: str) -> Iterator[None]:
    """UnreadableFile for what is the input's own fault, DiskFault for what will pass."""
    try:
        yield
    except ClassifydError:
        raise
    except PermissionError as error:
        if os.access(path, os.R_OK):
            raise DiskFault(
                f"{name}: {error.strerror}, though its mode allows it; it will be read again later"
            ) from error
        raise UnreadableFile(f"{name}: may not be read ({error.strerror}); change its mode or owner") from error
    except FileNotFoundError as error:
        raise UnreadableFile(f"{name}: vanished while it was being processed") from error
    except OSError as error:
        if error.errno is None:  # no system call failed: the reader raised it by itself
            raise UnreadableFile(f"{name}: its reader failed: {type(error).__name__}: {error}") from error
        raise DiskFault(f"{name}: {error.strerror or error}; it will be read again later") from error
    except Exception as error:  # a reader may be foreign code: what it raises concerns the input it was given
        raise UnreadableFile(f"{name}: its reader failed: {type(error).__name__}: {error}") from error


def pick_reader(known: Sequence[Reader], pinned: str, source: Source) -> Reader:
    r"""The reader that planning pinned by name, if it did, else the one that fits the source."""
    for reader in known:
        if reader.name == pinned:
            return reader
    return readers.choose(known, source)
