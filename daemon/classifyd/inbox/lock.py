"""The lock by which a process holds a folder of claims: a file beside it, for as long as the process lives."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from classifyd.disk import fsync_folder
from classifyd.errors import DiskFault


class FolderLock:
    """A lock of this process on a folder; it is noticed if it went when the folder above was removed and made anew."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(beside(folder))
        self._file: tuple[int, int] | None = None

    @property
    def is_held(self) -> bool:
        """Whether this process has it."""
        return self._lock.is_locked

    def acquire(self) -> None:
        """Take it. Timeout if another process has it."""
        for folder in (self._folder.parents[1], self._folder.parent):
            fsync_folder(folder)  # whoever made what lies in them, perhaps right before the power was cut
        self._lock.acquire(timeout=0)
        self._file = _identity(os.lstat(self._lock.lock_file))

    def keep(self, above: int) -> None:
        """Take it again if what lies in the open folder `above` is another file: that one keeps nobody away.

        DiskFault if another process has it now.
        """
        if self._file is None:
            return
        with contextlib.suppress(FileNotFoundError):
            if _identity(os.stat(beside(self._folder).name, dir_fd=above, follow_symlinks=False)) == self._file:
                return
        self._lock.release(force=True)
        try:
            self.acquire()
        except Timeout as error:
            raise DiskFault(f"{self._folder}: was made anew, and another process holds it; stop that one") from error

    def release(self) -> None:
        """Give it back."""
        self._lock.release()
        self._file = None


def beside(folder: Path) -> Path:
    """The file by which a folder is held."""
    return folder.with_name(f"{folder.name}.lock")


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold another's folder for a while. Timeout if its owner is alive."""
    with FileLock(beside(folder)).acquire(timeout=0):
        yield


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
