"""Giving files and folders the mode, owner and group that an inbox asks for, while nobody else can reach them yet."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from classifyd.config import Access
from classifyd.disk import side_by_side
from classifyd.errors import DiskFault
from classifyd.inbox.moves import make_folders

NOBODY = Access()


def grant(paths: list[Path], access: Access) -> None:
    """Give files their mode, owner and group, and have that on the disk. DiskFault if it is refused.

    Not for files that others can reach. One that has all of it already is left alone.
    """
    if access != NOBODY:
        side_by_side(partial(_grant, access=access), paths)


def make_granted_folders(folder: Path, access: Access) -> None:
    """Make a folder and its parents for outputs. DiskFault if what is asked for them is refused.

    They get the group, and the mode with the right to enter for whoever may read; they stay the daemon's own, or it
    could not go on writing there. What is there already stays as it is.
    """
    if access == NOBODY:
        make_folders(folder)
    else:
        make_folders(folder, partial(_make_granted, access=access))


def _grant(path: Path, access: Access) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except PermissionError:
        if not _has(os.lstat(path), access):
            raise
        os.sync()  # it is another's since an earlier run, which may have been killed before this was on the disk
        return
    try:
        if not _has(os.fstat(descriptor), access):  # an earlier try may have got so far, and may not repeat it
            with _told(path, access):
                _change(descriptor, access.mode, access.group)
                if access.owner is not None:
                    os.fchown(descriptor, access.owner, -1)  # last: from then on its mode may not be ours to change
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_granted(folder: Path, access: Access) -> None:
    """Make one folder under a passing name: a crash leaves none that has another mode than it should."""
    passing = folder.with_name(f".{secrets.token_hex(8)}.tmp")
    passing.mkdir()
    # Whoever may write beside it could have put something else under its name meanwhile.
    descriptor = os.open(passing, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise DiskFault(f"{passing}: another user's; see who may write there")
        with _told(folder, access):
            mode = None if access.mode is None else stat.S_IRWXU | access.mode | (access.mode & 0o444) >> 2
            _change(descriptor, mode, access.group)
        passing.rename(folder)  # it would replace another's empty folder, and nothing else
    except BaseException:
        passing.rmdir()
        if not folder.is_dir():
            raise
    finally:
        os.close(descriptor)


def _change(descriptor: int, mode: int | None, group: int | None) -> None:
    if group is not None:
        os.fchown(descriptor, -1, group)
    if mode is not None:
        os.fchmod(descriptor, mode)


def _has(status: os.stat_result, access: Access) -> bool:
    pairs = ((access.mode, stat.S_IMODE(status.st_mode)), (access.owner, status.st_uid), (access.group, status.st_gid))
    return all(wanted in (None, found) for wanted, found in pairs)


@contextlib.contextmanager
def _told(path: Path, access: Access) -> Iterator[None]:
    """DiskFault for what the file system or the kernel refuses."""
    try:
        yield
    except OSError as error:
        mode = None if access.mode is None else f"{access.mode:04o}"
        asked = {"mode": mode, "owner": access.owner, "group": access.group}
        wanted = ", ".join(f"{name} {value}" for name, value in asked.items() if value is not None)
        mend = "have this user be allowed to, or change output_mode, output_owner or output_group"
        raise DiskFault(f"{path}: cannot be given {wanted}: {error.strerror}; {mend}") from error
