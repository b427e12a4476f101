"""What it takes to be on the disk for good: folders and files fsynced, many of them side by side.

A disk flushes once for all who wait for it at that moment: two hundred folders took 1.2 seconds one after the other,
and 0.05 from sixteen threads.
"""

import contextlib
import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")

FEW = 8
"""So many, or fewer, are not worth a thread."""

SIDE_BY_SIDE = 16


def fsync_folder(folder: str | Path) -> None:
    """Put a folder's entries on the disk: after a power cut a rename itself may be missing otherwise."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        _change(Path(folder))
        raise OSError(error.errno, error.strerror, str(folder)) from error
    finally:
        os.close(descriptor)


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


def _change(folder: Path) -> None:
    """Change a folder to and fro after its fsync failed.

    The kernel may hold its entries for written now; changed once more, they are written anew by the next fsync.
    """
    with contextlib.suppress(OSError):
        passing = folder / f".{secrets.token_hex(8)}.tmp"
        passing.mkdir()
        passing.rmdir()
