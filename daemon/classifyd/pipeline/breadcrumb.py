"""What a worker is doing right now, left where the daemon can read it after the worker has died."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHORE = -1
"""The number by which an input's chores, its cutting and its assembly, stand beside its splits."""


@dataclass(frozen=True, slots=True)
class Range:
    """Records [start, end) of one split, by index within the input; none where all of the split is meant."""

    claim: str
    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Crumb:
    """A worker's last deed: `loading` a task, having it go on `choosing`, `predicting` ranges with it, or no task's.

    The last are `reading` a split, `writing` parts (and reading on in their splits), `cutting` and `assembling` an
    input, `beginning` and `resting`. `answered` is how many records of the job the task had answered before.
    """

    deed: str
    task: str = ""
    ranges: tuple[Range, ...] = ()
    answered: int = 0


class Trail:
    """Writes crumbs to one small file of a worker's own; a plain write survives the death of the process."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def drop(self, crumb: Crumb) -> None:
        """Replace the last crumb."""
        ranges = [[r.claim, r.number, r.start, r.end] for r in crumb.ranges]
        found = {"deed": crumb.deed, "task": crumb.task, "ranges": ranges, "answered": crumb.answered}
        line = json.dumps(found).encode()
        os.pwrite(self.descriptor, line, 0)
        os.ftruncate(self.descriptor, len(line))


def read(path: str) -> Crumb | None:
    """The crumb a dead worker left; None if there is none or it was torn."""
    return parsed(left(path))


def left(path: str) -> bytes:
    """What a worker left, as it lies there; nothing if there is none."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def parsed(text: bytes) -> Crumb | None:
    """What `left` gave as a crumb; None if it is none or was torn."""
    try:
        found: dict[str, Any] = json.loads(text)
        return Crumb(found["deed"], found["task"], tuple(Range(*r) for r in found["ranges"]), found["answered"])
    except (ValueError, KeyError, TypeError):
        return None
