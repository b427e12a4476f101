"""Quarantined inputs on their way back: what lies in quarantine, why, and the move that has it tried again."""

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifyd.config import InboxConfig
from classifyd.errors import ClassifydError
from classifyd.inbox.moves import move, shown
from classifyd.inbox.quarantine import REASON_SUFFIX, reason_file

ORPHAN_SECONDS = 60.0
LONGEST_REASON = 2**20
"""No reason of ours is as long; a file that is called like one may be."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An input in quarantine: where it lies, its reason file, and the name it had below its inbox.

    `names` are those by which people may call it. `kind`, `why` and `when` are as the reason file has them, empty where
    it does not.
    """

    inbox: InboxConfig
    place: Path
    reason: Path
    name: str
    names: frozenset[str]
    kind: str = ""
    why: str = ""
    when: str = ""
    said_inbox: str = ""
    """The inbox that the reason names; `inbox` is a guess where it names none."""

    @property
    def below(self) -> str:
        """Its path below the quarantine folder: no other input there has it."""
        return shown(str(self.place.relative_to(self.inbox.quarantine)))


def quarantined(inboxes: Sequence[InboxConfig]) -> Iterator[Quarantined]:
    """All that lies in the inboxes' quarantine; a reason whose input is gone is removed after a while."""
    for folder in dict.fromkeys(inbox.quarantine for inbox in inboxes):
        here = [inbox for inbox in inboxes if inbox.quarantine == folder]
        for reason in _reasons(folder):
            item = _read(reason, folder, here)
            if item is not None:
                yield item


def chosen(found: Iterable[Quarantined], names: Sequence[str]) -> list[Quarantined]:
    """Those that go by one of the names; without names, all."""
    return [item for item in found if not names or not item.names.isdisjoint(names)]


def put_back(item: Quarantined) -> Path:
    """Move the input back, then remove its reason: after a crash there is a reason too many, no input too few.

    Where it lies now; nothing is overwritten. OSError leaves it in quarantine; ClassifydError if the inbox is gone.
    """
    if not item.inbox.path.is_dir():
        raise ClassifydError(f"inbox {item.inbox.name}: {item.inbox.path} is missing; make the folder first")
    told = stamp(item.reason)
    place = move(str(item.place), item.inbox.path, item.name)
    remove_reason(item.reason, told)
    return place


def stamp(reason: Path | str, folder: int | None = None) -> tuple[int, int] | None:
    """What tells a reason file from one that takes its place; None without one. `folder` as `dir_fd` in `os`."""
    try:
        status = os.stat(reason, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def remove_reason(reason: Path | str, told: tuple[int, int] | None, folder: int | None = None) -> None:
    """Remove a reason that has this stamp. Its input may be in quarantine again by now, with another of that name."""
    if told is not None and stamp(reason, folder) == told:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(reason, dir_fd=folder)


def _reasons(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in sorted(names) if name.endswith(REASON_SUFFIX))


def _read(reason: Path, folder: Path, inboxes: list[InboxConfig]) -> Quarantined | None:
    """What a reason file is about; None if its input is gone (moved away by hand, or by a retry that was killed).

    None also for an input that is called like a reason file, which has one of its own.
    """
    if os.path.lexists(reason_file(reason)):
        return None
    place = Path(str(reason).removesuffix(REASON_SUFFIX))
    if not os.path.lexists(place):
        _remove_orphan(reason)
        return None
    said = _document(reason)
    inbox = next((inbox for inbox in inboxes if inbox.name == said.get("inbox")), inboxes[0])
    below = str(place.relative_to(folder))
    name = _original(said) or below
    names = frozenset({shown(below), shown(place.name), shown(name), below, place.name, name})
    told = (str(said.get(key, "")) for key in ("type", "reason", "when", "inbox"))
    return Quarantined(inbox, place, reason, name, names, *told)


def _document(reason: Path) -> dict[str, Any]:
    try:
        with reason.open("rb") as file:
            said = json.loads(file.read(LONGEST_REASON))
    except (OSError, ValueError, RecursionError):
        return {}  # the input's own place says enough
    return said if isinstance(said, dict) else {}


def _original(said: dict[str, Any]) -> str | None:
    """The name below the inbox, if the reason file holds one that leads nowhere else."""
    try:
        name = os.fsdecode(bytes.fromhex(said["path_hex"]))
    except (KeyError, TypeError, ValueError):
        return None
    parts = Path(name).parts
    return name if parts and not Path(name).is_absolute() and ".." not in parts and "\0" not in name else None


def _remove_orphan(reason: Path) -> None:
    # A daemon writes the reason ahead of the move: a fresh one may still get its input.
    try:
        if time.time() - reason.stat().st_mtime > ORPHAN_SECONDS:
            reason.unlink()
    except OSError:
        return
