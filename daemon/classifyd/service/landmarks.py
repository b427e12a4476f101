"""Folders that are known again after a restart, each by a landmark: an empty folder of a name that is given only once.

An answer that is gone from where it waited for its name was published. But where a disk is not mounted, or a folder was
removed, it is gone as well; then the landmark is, too.
"""

import json
import secrets
from contextlib import suppress
from pathlib import Path

from classifyd.disk import fsync_folder, rewrite
from classifyd.errors import DiskFault
from classifyd.inbox.scan import look
from classifyd.ledger import Ledger


class Landmarks:
    """The landmarks of the folders in which answers wait. The state folder keeps their names."""

    def __init__(self, state: Path, ledger: Ledger) -> None:
        self._file = state / "landmarks.json"
        self._ledger = ledger
        self._names: dict[str, str] | None = None

    def stands(self, folder: Path) -> bool:
        """Whether a folder is the one that was given its landmark."""
        name = self._known().get(str(folder))
        return name is not None and (folder / name).is_dir()

    def give(self, folder: Path) -> None:
        """Have a folder known again from now on, which is on the disk; an earlier landmark no longer counts.

        DiskFault while nobody knows of an answer that waited there whether it was published: it must not be believed
        for the sake of a new landmark.
        """
        if self.stands(folder):
            return
        if self._awaits(folder):
            raise self.missed(folder)
        for earlier in folder.iterdir():
            with suppress(OSError):  # a file, or a folder that holds something
                earlier.rmdir()
        name = secrets.token_hex(8)
        (folder / name).mkdir(0o700)
        fsync_folder(folder)
        self._note(folder, name)

    def missed(self, folder: Path) -> DiskFault:
        """What to say of a folder whose landmark does not stand, and of which answers are gone."""
        if str(folder) not in self._known():
            self._note(folder, secrets.token_hex(8))
        landmark = folder / self._known()[str(folder)]
        what = f"{landmark}: gone, and with it what waited there for its name; mount the disk of the outputs"
        return DiskFault(f"{what}. If it is gone for good, make that folder: what waited there counts as published")

    def _awaits(self, folder: Path) -> bool:
        intended = (Path(entry.part) for entry in self._ledger.open_entries() if entry.state == "intent" and entry.part)
        return any(part.parent == folder and look(str(part), "") is None for part in intended)

    def _known(self) -> dict[str, str]:
        if self._names is None:
            try:
                self._names = dict(json.loads(self._file.read_bytes()))
            except (FileNotFoundError, ValueError, TypeError):
                self._names = {}
        return self._names

    def _note(self, folder: Path, name: str) -> None:
        names = {**self._known(), str(folder): name}
        rewrite(self._file, json.dumps(names, indent=1).encode())
        self._names = names
