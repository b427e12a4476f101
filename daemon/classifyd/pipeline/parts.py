"""Writing a part so that its name stands for a whole file: beside it, fsynced, then renamed."""

import contextlib
import errno
import hashlib
import io
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

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


def write_whole(path: Path, fill: Callable[[BinaryIO], None]) -> Written:
    """Let `fill` write a file and give it the name `path` once it is on the disk, replacing an older one.

    The name it has until then is unique to this attempt, so that a killed worker's leftovers are never mistaken for
    a part. DiskFault if the disk does not take it; whatever `fill` raises otherwise leaves nothing behind.
    """
    temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            hashing = _Hashing(file)
            fill(cast("BinaryIO", hashing))
            file.flush()
            # Never retried on the same file: after a failed fsync the kernel may have dropped the pages.
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError as error:
        _discard(temporary)
        # A source that cannot be read raises UnreadableFile; a bare OSError here is the output's.
        if error.errno in DISK_FAULTS:
            raise DiskFault(f"{path.parent}: {error.strerror}; free the disk or mend the folder") from error
        raise
    except BaseException:
        _discard(temporary)
        raise
    return Written(hashing.size, hashing.sha256.hexdigest())


def _discard(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
