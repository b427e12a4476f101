"""Notes that people leave for the daemon in its state folder: pause this inbox, cancel this input.

A note is a small file, whole or not there, on the disk before anybody is told that it was left. So a pause holds over
every restart, and what is asked for while no daemon runs is done by the next one.
"""

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from classifyd.disk import create, fsync_folder
from classifyd.inbox.moves import make_folders

SUFFIX = ".json"
WHO_CHARS = 60
SOMEBODY = "somebody"


@dataclass(frozen=True, slots=True)
class Note:
    """Who has left it, and when (epoch seconds)."""

    who: str
    at: float


class Notes:
    """The notes of one kind, each about one thing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make_folder(self) -> None:
        """Make the folder, so that it is the daemon's own, whoever leaves the first note. OSError if it cannot be."""
        make_folders(self._folder)

    def leave(self, about: str, who: str) -> bool:
        """Leave a note; False if there is one already. OSError if it cannot be left."""
        make_folders(self._folder)
        return create(self._path(about), json.dumps(asdict(Note(one_line(who), time.time()))).encode("ascii"))

    def remove(self, about: str) -> bool:
        """Take a note away; False if there is none. OSError if it cannot be taken away."""
        try:
            self._path(about).unlink()
        except FileNotFoundError:
            return False
        fsync_folder(self._folder)
        return True

    def all(self) -> Mapping[str, Note]:
        """Every note by what it is about. OSError if the folder cannot be read; one that is not there has none."""
        found: dict[str, Note] = {}
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.name.endswith(SUFFIX):
                    found[unquote(entry.name.removesuffix(SUFFIX))] = _read(entry)
        return found

    def _path(self, about: str) -> Path:
        return self._folder / f"{quote(about, safe='')}{SUFFIX}"


def pauses(state: Path) -> Notes:
    """The inboxes that are paused, by their names."""
    return Notes(state / "paused")


def cancels(state: Path) -> Notes:
    """The inputs that are to be cancelled, by their claims: a name could be that of another input by then."""
    return Notes(state / "cancelled")


def one_line(who: str) -> str:
    """A name as it is kept: one short line."""
    words = "".join(sign if sign.isprintable() else " " for sign in who).split()
    return " ".join(words)[:WHO_CHARS] or SOMEBODY


def _read(entry: os.DirEntry[str]) -> Note:
    """What a note says. Whatever is wrong with it, it was left: half a pause is one."""
    try:
        said = json.loads(Path(entry.path).read_bytes())
        return Note(one_line(str(said["who"])), float(said["at"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return Note(SOMEBODY, 0.0)
