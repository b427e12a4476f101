"""Writing parts so that their names stand for whole files: beside them, fsynced, then renamed."""

import contextlib
import errno
import hashlib
import io
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self, cast

from classifyd.disk import meanwhile, side_by_side
from classifyd.errors import DiskFault

DISK_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EACCES})


@dataclass(frozen=True, slots=True)
class Written:
    """A finished file: its size in bytes and its sha256."""

    size: int
    digest: str


class _Hashing(io.RawIOBase):
    """A stream that digests and counts what passes to the file below; sequential writing only."""

    def __init__(self, below: BinaryIO) -> None:
        self.below = below
        self.sha256 = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: object) -> int:
        view = memoryview(cast("bytes", data)).cast("B")
        self.below.write(view)
        self.sha256.update(view)
        self.size += len(view)
        return len(view)


class Drafts:
    """Files that are written one after the other, and get their names together once all are on the disk.

    The name a draft has until then is unique to this attempt, so that a killed worker's leftovers are never mistaken
    for a part. DiskFault if the disk does not take one; then, or whatever else ends the `with`, none is left behind.
    """

    def __init__(self) -> None:
        self._drafts: list[_Draft] = []
        self._flushed: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._discard()

    def write(self, path: Path, fill: Callable[[BinaryIO], None]) -> Written:
        """Let `fill` write what is to be called `path`, in place of an older one. What `fill` raises leaves nothing."""
        temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
        with _faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = _Draft(path, temporary, temporary.open("xb"))
        try:
            hashing = _Hashing(draft.file)
            with _faults(path):
                fill(cast("BinaryIO", hashing))
                draft.file.flush()
        except BaseException:
            draft.discard()
            raise
        self._drafts.append(draft)
        return Written(hashing.size, hashing.sha256.hexdigest())

    def flush(self) -> None:
        """Begin to put all drafts on the disk, if they are not to be named at once. No more are written then."""
        self._flushed = meanwhile(self._sync)

    def name(self) -> None:
        """Give all drafts their names, once they are on the disk."""
        (self._flushed or self._sync)()
        while self._drafts:
            draft = self._drafts[0]
            with _faults(draft.path):
                draft.file.close()
                draft.temporary.rename(draft.path)
            del self._drafts[0]

    def _sync(self) -> None:
        side_by_side(_sync, self._drafts)

    def _discard(self) -> None:
        if self._drafts and self._flushed is not None:
            with contextlib.suppress(DiskFault, OSError):
                self._flushed()  # it has the drafts' descriptors in hand
        for draft in self._drafts:
            draft.discard()
        self._drafts.clear()


def write_whole(path: Path, fill: Callable[[BinaryIO], None]) -> Written:
    """Let `fill` write a file and give it the name `path` once it is on the disk, replacing an older one."""
    with Drafts() as drafts:
        written = drafts.write(path, fill)
        drafts.name()
    return written


@dataclass(frozen=True, slots=True)
class _Draft:
    path: Path
    temporary: Path
    file: BinaryIO

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self.temporary.unlink()
        with contextlib.suppress(OSError):
            self.file.close()


def _sync(draft: _Draft) -> None:
    # Never retried on the same file: after a failed fsync the kernel may have dropped the pages.
    with _faults(draft.path):
        os.fsync(draft.file.fileno())


@contextlib.contextmanager
def _faults(path: Path) -> Iterator[None]:
    """DiskFault for what is the disk's. It is the output's: a source that cannot be read raises UnreadableFile."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FAULTS:
            raise DiskFault(f"{path.parent}: {error.strerror}; free the disk or mend the folder") from error
        raise
