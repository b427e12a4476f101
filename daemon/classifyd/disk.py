"""What it takes to be on the disk for good: files whole or not there, folders fsynced, many of them side by side.

A disk flushes once for all who wait for it at that moment: two hundred folders took 1.2 seconds one after the other,
and 0.05 from sixteen threads.
"""

import contextlib
import hashlib
import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, TypeVar

Item = TypeVar("Item")

FEW = 8
"""So many, or fewer, are not worth a thread."""

SIDE_BY_SIDE = 16

_CHUNK_BYTES = 2**20


def rewrite(path: Path, data: bytes) -> None:
    """Give a file this content: afterwards it is on the disk, and after a crash it has the old content or the new one.

    Two who rewrite one file must not do so at once. What a killed one left is written over by the next. OSError with
    the file's name if it cannot be done; the old content then stays.
    """
    draft = path.with_name(f".{path.name}")
    draft.unlink(missing_ok=True)
    with _named(path):
        try:
            write(draft, data)
            draft.rename(path)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise
        fsync_folder(path.parent)


def create(path: Path, data: bytes, mode: int = 0o666) -> bool:
    """Make a file, whole and on the disk as soon as it has its name; False if there is one already, whoever made it."""
    draft = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        write(draft, data, mode)
        os.link(draft, path)  # unlike a rename, this overwrites nothing
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    fsync_folder(path.parent)
    return True


def write(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write a new file and fsync it; its name is on the disk once its folder is. FileExistsError if it is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with open(descriptor, "wb") as stream:  # noqa: PTH123  # so that the mode is right from the start
        stream.write(data)
        sync(stream)


def copy(source: Path, target: Path) -> str:
    """Copy a file to a new name and fsync it; the sha256 of the bytes that were written."""
    digest = hashlib.sha256()
    with source.open("rb") as data, target.open("xb") as stream:
        while chunk := data.read(_CHUNK_BYTES):
            digest.update(chunk)
            stream.write(chunk)
        sync(stream)
    return digest.hexdigest()


def sync(stream: BinaryIO) -> None:
    """Put what was written to a file on the disk."""
    stream.flush()
    os.fsync(stream.fileno())


def fsync_folder(folder: str | Path) -> None:
    """Put a folder's entries on the disk: after a power cut a rename itself may be missing otherwise."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fsync_entries(descriptor, str(folder))
    finally:
        os.close(descriptor)


def fsync_entries(folder: int, shown: str) -> None:
    """The same for a folder that is open, which an error is told of as `shown`."""
    try:
        os.fsync(folder)
    except OSError as error:
        _change(folder)
        raise OSError(error.errno, error.strerror, shown) from error


def fsync_folders(folders: Iterable[Path]) -> None:
    """The same for many, each once, outer folders before what lies in them. OSError of one that failed."""
    for _, level in groupby(sorted(set(folders), key=_depth), key=_depth):
        side_by_side(fsync_folder, list(level))


def side_by_side(wait: Callable[[Item], object], items: Collection[Item]) -> None:
    """Do something that waits for the disk to each item. The first error is raised once all have had their turn."""
    left = deque(items)
    errors: list[Exception] = []

    def work() -> None:
        while True:
            try:
                item = left.popleft()
            except IndexError:
                return
            try:
                wait(item)
            except Exception as error:  # noqa: BLE001  # raised below, by the thread that asked
                errors.append(error)

    helping = list(_started(work, min(len(items), SIDE_BY_SIDE) - 1)) if len(items) > FEW else []
    work()
    for thread in helping:
        thread.join()
    if errors:
        raise errors[0]


def meanwhile(wait: Callable[[], object]) -> Callable[[], None]:
    """Begin something that waits for the disk. What is returned waits until it is over, and raises its error."""
    errors: list[Exception] = []

    def work() -> None:
        try:
            wait()
        except Exception as error:  # noqa: BLE001  # raised below, by the thread that asked
            errors.append(error)

    threads = list(_started(work, 1))
    if not threads:
        work()

    def end() -> None:
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    return end


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Whatever fails is told of the file that was to be written: an fsync knows no name."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def _started(work: Callable[[], None], count: int) -> Iterator[threading.Thread]:
    """So many threads, or as many as the memory allows: a stack counts against a worker's limit."""
    for _ in range(count):
        thread = threading.Thread(target=work)
        try:
            thread.start()
        except RuntimeError:
            return
        yield thread


def _depth(folder: Path) -> int:
    return len(folder.parts)


def _change(folder: int) -> None:
    """Change an open folder to and fro after its fsync failed.

    The kernel may hold its entries for written now; changed once more, they are written anew by the next fsync.
    """
    with contextlib.suppress(OSError):
        passing = f".{secrets.token_hex(8)}.tmp"
        os.mkdir(passing, dir_fd=folder)
        os.rmdir(passing, dir_fd=folder)
