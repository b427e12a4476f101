"""Copies, where a rename cannot lead: the same thing on another file system."""

import errno
import os
import stat
from collections.abc import Callable

from classifyd.beneath import Entry

PIECE_BYTES = 2**20


def copied(source: Entry, target: Entry, stopped: Callable[[], bool] = lambda: False) -> None:
    """Make the same thing under another name, on the disk; a link's target is not looked at, no FIFO is opened.

    InterruptedError as soon as `stopped` says so; what is there then is no whole copy.
    """
    status = os.stat(source.name, dir_fd=source.folder, follow_symlinks=False)
    if stat.S_ISREG(status.st_mode):
        _copy_file(source, target, stopped)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source.name, dir_fd=source.folder), target.name, dir_fd=target.folder)
    elif stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), source.name)
    else:
        os.mknod(target.name, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev, dir_fd=target.folder)


def _copy_file(source: Entry, target: Entry, stopped: Callable[[], bool]) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(source.name, flags, dir_fd=source.folder), "rb") as file:
        status = os.fstat(file.fileno())
        made = os.open(target.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target.folder)
        with os.fdopen(made, "wb") as copy:
            while piece := file.read(PIECE_BYTES):
                if stopped():
                    raise InterruptedError(errno.EINTR, "the copy was stopped", target.name)
                copy.write(piece)
            copy.flush()
            # The copy is ours, and a stranger chose the mode: a set-user-ID bit would make his program run as us.
            os.fchmod(copy.fileno(), status.st_mode & 0o777)
            os.utime(copy.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fsync(copy.fileno())
