"""Reaching what lies below a folder without following a link on the way: each folder is opened from the one above it.

Strangers may write to an inbox. What was a folder or a file when it was looked at may be a link to somewhere else when
it is used; a path would lead there, a descriptor cannot.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

Root = str | Path | int
"""The folder where the way begins: a path, in which links are followed, for whoever configured it made them; or an open
descriptor, which stays open."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in an open folder: what it stands for cannot be swapped for something in another folder."""

    folder: int
    name: str


@contextmanager
def folder(root: Root, below: str) -> Iterator[int]:
    """A descriptor of the folder `below` (a relative path, or nothing for the root itself), closed on leaving.

    NotADirectoryError if a link or anything else that is no folder stands on the way.
    """
    descriptor = _root(root)
    try:
        for name in _names(below):
            descriptor = _step(descriptor, name)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def made_folder(root: Root, below: str, mode: int = 0o777, *, durable: bool = True) -> Iterator[int]:
    """The same, but what is missing below the root is made; if `durable`, each new entry is on the disk."""
    descriptor = _root(root)
    try:
        for name in _names(below):
            if _make(descriptor, name, mode) and durable:
                os.fsync(descriptor)
            descriptor = _step(descriptor, name)
        yield descriptor
    finally:
        os.close(descriptor)


def open_file(root: Root, name: str, flags: int, *, alone: bool = False) -> int:
    """A descriptor of the file `name`, a path below the root; a link is refused with ELOOP, and on the way as above.

    If `alone`, a regular file that has several names is refused with EMLINK, and one whose name is gone with ENOENT.
    """
    base = os.path.basename(name)  # noqa: PTH119  # names may not be UTF-8
    with folder(root, os.path.dirname(name)) as above:  # noqa: PTH120  # likewise
        descriptor = os.open(base, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        try:
            if alone:
                _check_alone(descriptor, base, above)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _check_alone(descriptor: int, name: str, above: int) -> None:
    """Raise unless the name is the only one of what was opened.

    Who links another's file to the name, and takes the link away once it is opened, leaves a file of one name that is
    not called so. The kernel lowers the count before it forgets the name, and he may be halted between the two: so the
    name is asked for when all that was being changed in the folder has been.
    """
    opened = os.fstat(descriptor)
    if not stat.S_ISREG(opened.st_mode):
        return
    _wait_for_changes(above)
    named = os.stat(name, dir_fd=above, follow_symlinks=False)
    if (named.st_dev, named.st_ino) != (opened.st_dev, opened.st_ino) or not _stands(descriptor, name, above):
        raise FileNotFoundError(errno.ENOENT, "was replaced while it was opened", name)
    if max(named.st_nlink, opened.st_nlink) > 1:
        raise OSError(errno.EMLINK, "has several names", name)


def _wait_for_changes(above: int) -> None:
    """Read a few of a folder's names: Linux locks it for that, as it does for as long as a name is being removed."""
    with os.scandir(above) as names:
        next(names, None)


def _stands(descriptor: int, name: str, above: int) -> bool:
    """Whether the very entry that was opened is still there: the kernel tells another path of it once it is gone."""
    shown = Path("/proc/self/fd")
    return (shown / str(descriptor)).readlink() == (shown / str(above)).readlink() / name


def _root(root: Root) -> int:
    return os.open(".", _FOLDER, dir_fd=root) if isinstance(root, int) else os.open(root, _FOLDER)


def _names(below: str) -> tuple[str, ...]:
    names = PurePath(below).parts
    if ".." in names or PurePath(below).is_absolute():
        raise NotADirectoryError(errno.ENOTDIR, "leads out of its folder", below)
    return names


def _step(above: int, name: str) -> int:
    """One folder down; the descriptor of the one above is closed, unless this raises."""
    descriptor = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
    os.close(above)
    return descriptor


def _make(above: int, name: str, mode: int) -> bool:
    """Whether the folder was missing."""
    try:
        os.mkdir(name, mode, dir_fd=above)
    except FileExistsError:
        return False
    return True
