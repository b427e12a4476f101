"""Discovering inputs: what lies in an inbox, and since when it has been at rest."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from classifyd import beneath

UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".crdownload")
"""Suffixes that senders give to files they are still writing."""

DEEPEST = 50
"""Sub-folders nested deeper are not looked into: a tree of thousands would be a path that no system call takes."""

LONGEST = 3_000
"""Bytes of a path below the inbox: with that of a folder before it, it has to stay below 4,096 for system calls."""

NOT_REGULAR = "not a regular file; links and devices are never opened"
TOO_LONG = f"its path below the inbox has more than {LONGEST:,} bytes; drop it again under a shorter one"


@dataclass(frozen=True, slots=True)
class Found:
    """Something in an inbox that may be an input. `name` is its path below the inbox.

    `regular` is False for links, FIFOs, sockets and devices, which are never opened. `dropped_at` (epoch seconds) is
    when it got its name or was last written to; it is no part of what makes a file the same as before.
    """

    name: str
    size: int
    mtime_ns: int
    inode: int
    regular: bool
    dropped_at: float = field(default=0.0, compare=False)

    @property
    def unfit(self) -> str:
        """Why it is never taken; empty if it may be an input."""
        if not self.regular:
            return NOT_REGULAR
        return TOO_LONG if too_long(self.name) else ""

    @property
    def identity(self) -> str:
        """What makes it the same input on the next scan, where inputs stay in place.

        In a Maildir that is the unique part of the name, since clients move messages from new to cur and rename them
        to keep flags; elsewhere the name with its size and time of change.
        """
        folder, _, base = self.name.rpartition("/")
        if folder.rpartition("/")[2] in ("new", "cur"):
            return f"maildir {_quoted(folder.rpartition('/')[0])}/{_quoted(base.partition(':')[0])}"
        return f"file {self.size} {self.mtime_ns} {_quoted(self.name)}"


def too_long(name: str) -> bool:
    """Whether a path below an inbox is too long for an input's."""
    return len(os.fsencode(name)) > LONGEST


def _quoted(name: str) -> str:
    return quote(os.fsencode(name))  # a name need not be UTF-8, the ledger's text must be


Closed = Callable[[str, PermissionError], object]
"""Is told of a sub-folder that may not be looked into, by its path below the inbox, with a slash at its end."""


def discover(root: Path, *, recursive: bool, closed: Closed) -> Iterator[Found]:
    """Everything in the inbox that is not hidden, unfinished by its name, or empty. OSError if it cannot be listed.

    In the order of the folders themselves, which is none, so that a folder of a million files takes no memory. A
    Maildir is known by its folders `new` and `cur`, which are looked into, and `tmp`, which is not.
    """
    with beneath.folder(root, "") as folder:
        yield from _walk(folder, "", recursive, closed)


def _walk(folder: int, below: str, recursive: bool, closed: Closed) -> Iterator[Found]:  # passed on as it is
    maildir = all(_is_folder(folder, name) for name in ("new", "cur"))
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if _wanted(entry.name, recursive=recursive, maildir=maildir) and name.count("/") < DEEPEST:
                    yield from _subfolder(folder, entry.name, f"{name}/", recursive, closed)
            elif not entry.name.endswith(UNFINISHED):
                found = _look(entry, name)
                if found is not None and (found.size > 0 or not found.regular):
                    yield found


def _is_folder(above: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _wanted(folder: str, *, recursive: bool, maildir: bool) -> bool:
    return folder in ("new", "cur") or (recursive and folder != "tmp") if maildir else recursive


def _subfolder(above: int, name: str, below: str, recursive: bool, closed: Closed) -> Iterator[Found]:
    try:
        with beneath.folder(above, name) as folder:
            yield from _walk(folder, below, recursive, closed)
    except (FileNotFoundError, NotADirectoryError):
        return  # removed or replaced meanwhile
    except PermissionError as error:
        closed(below, error)  # the rest of the inbox goes on


def _look(entry: os.DirEntry[str], name: str) -> Found | None:
    try:
        return _found(entry.stat(follow_symlinks=False), name)
    except FileNotFoundError:
        return None


def look(path: str, name: str) -> Found | None:
    """A file as it is now, links not followed; None if it is gone."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None
        raise
    return _found(status, name)


def _found(status: os.stat_result, name: str) -> Found:
    regular = stat.S_ISREG(status.st_mode)
    # Of a file that was moved in, only the inode's change tells: it keeps the time at which it was written.
    return Found(name, status.st_size, kept_ns(status), status.st_ino, regular, status.st_ctime)


def kept_ns(status: os.stat_result) -> int:
    """When a file was last written to, as the ledger keeps it: in 64 bits, so that times after 2262 begin anew."""
    return (status.st_mtime_ns + 2**63) % 2**64 - 2**63


@dataclass(slots=True)
class _Rest:
    found: Found
    since: float


class Settling:
    """Remembers since when each file of an inbox has been at rest, by a monotonic clock.

    `due_at` is when the next file of the last scan will have rested long enough; None if none has to.
    """

    def __init__(self, settle_seconds: float) -> None:
        self.settle_seconds = settle_seconds
        self.due_at: float | None = None
        self._resting: dict[str, _Rest] = {}

    def see(self, found: list[Found], now: float) -> list[Found]:
        """Take note of a whole scan; the files that have rested long enough, in the scan's order."""
        resting: dict[str, _Rest] = {}
        for item in found:
            before = self._resting.get(item.name)
            unchanged = before is not None and before.found == item
            resting[item.name] = before if before is not None and unchanged else _Rest(item, now)
        self._resting = resting
        due = {item.name: resting[item.name].since + self.settle_seconds for item in found}
        self.due_at = min((at for at in due.values() if at > now), default=None)
        return [item for item in found if due[item.name] <= now]

    def forget(self, name: str) -> None:
        """The file is no longer there to rest."""
        self._resting.pop(name, None)
