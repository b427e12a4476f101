"""Removing files that grew old where they were put: only the very files, and only once they have rested long enough."""

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from classifyd import beneath
from classifyd.config import InboxConfig
from classifyd.inbox.quarantine import reason_file
from classifyd.inbox.retrying import Quarantined, quarantined, remove_reason, stamp
from classifyd.inbox.scan import kept_ns

SAME_SECONDS = 2.0
"""Times of change nearer than this are the same: a copy on another file system may have a coarser one."""

Fate = Literal["removed", "gone", "resting"]
"""What became of a file: it was removed, it is not there or not the same any more, or it is too young by its inode."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a file was like when it was put down."""

    size: int
    mtime_ns: int


def remove_known(root: Path, place: Path, known: Known, before: float) -> Fate:
    """Remove a file below `root` if it is what it was, and was not touched since `before` (epoch seconds).

    Touched is any change of its inode, a rename among them: what was taken away and put down again begins anew. No link
    is followed below the root. OSError if it cannot be removed.
    """
    if not place.is_relative_to(root) or place == root:
        return "gone"
    try:
        with beneath.folder(root, str(place.parent.relative_to(root))) as folder:
            status = os.stat(place.name, dir_fd=folder, follow_symlinks=False)
            if not _is_it(status, known):
                return "gone"
            if status.st_ctime > before:
                return "resting"
            os.unlink(place.name, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        return "gone"
    return "removed"


def old_in_quarantine(inbox: InboxConfig, before: float) -> Iterator[tuple[Quarantined, int]]:
    """What an inbox put into quarantine before a time (epoch seconds), and has rested there since; with its bytes."""
    for item in quarantined([inbox]):
        with contextlib.suppress(OSError):
            status = os.lstat(item.place)
            size = status.st_size if stat.S_ISREG(status.st_mode) else 0
            if item.said_inbox == inbox.name and _epoch(item.when) < before and status.st_ctime <= before:
                yield item, size


def remove_quarantined(item: Quarantined, before: float) -> bool:
    """Remove an input from quarantine, then its reason: a crash leaves one too many. False if it was touched since."""
    root, reason = item.inbox.quarantine, reason_file(item.place).name
    try:
        with beneath.folder(root, str(item.place.parent.relative_to(root))) as folder:
            told = stamp(reason, folder)
            if os.stat(item.place.name, dir_fd=folder, follow_symlinks=False).st_ctime > before:
                return False
            os.unlink(item.place.name, dir_fd=folder)
            remove_reason(reason, told, folder)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _is_it(status: os.stat_result, known: Known) -> bool:
    late = abs(kept_ns(status) - known.mtime_ns) >= SAME_SECONDS * 1e9
    return stat.S_ISREG(status.st_mode) and status.st_size == known.size and not late


def _epoch(when: str) -> float:
    """The time of a reason; endless for one that cannot be understood, which is not ours to judge."""
    try:
        return datetime.fromisoformat(when).timestamp()
    except ValueError:
        return float("inf")
