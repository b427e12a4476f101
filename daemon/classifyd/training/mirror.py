"""A training's checkpoints behind a URL, so that another machine can take up what this one leaves."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from classifyd.errors import TrainingError
from classifyd.training import urls

INDEX = "mirror.json"
SCHEMA = "classifyd-mirror/1"


class Mirror:
    """A copy below a URL of some files and folders (`parts`) of a training's folder.

    The index there lists the files of the last copy that became whole; it is written after them, and what it no longer
    lists is removed after it. So whoever comes for it at any moment finds a whole one.
    """

    def __init__(self, url: str, folder: Path, parts: tuple[str, ...], tell: Callable[[str], None]) -> None:
        self._place = urls.Place(url)
        self._folder = folder
        self._parts = parts
        self._tell = tell
        self._sent: dict[str, tuple[int, int]] = {}
        self._there: set[str] = set()
        self.url = self._place.url

    def probe(self) -> None:
        """TrainingError if nothing can be written there, while there is still time."""
        self._place.probe()

    def pull(self) -> bool:
        """Put what the index lists in place of the same parts here; False if there is nothing to take up."""
        listed = self._index()
        if not listed:
            return False
        for part in self._parts:
            path = self._folder / part
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        for name, size in listed.items():
            target = self._folder / name
            self._place.get(name, target)
            if target.stat().st_size < size:  # events are appended to, so that more is no fault
                raise TrainingError(f"{self.url}/{name}: has lost some of its {size} bytes; train without --resume")
        self._there = set(listed)
        return True

    def clear(self) -> None:
        """Forget the training that is there, the index first: a copy of two trainings mixed would be none."""
        there = self._index()
        if there:
            self._place.remove(INDEX)
        for name in there:
            self._place.remove(name)
        self._there = set()

    def push(self) -> None:
        """Copy what is new. A fault is told and does not end the training: the next push makes good for it."""
        try:
            self._push()
        except (TrainingError, OSError) as error:
            self._tell(f"the checkpoint was not copied: {error}")

    def _push(self) -> None:
        found = self._files()
        for name, path in found.items():
            state = path.stat()
            mark = (state.st_size, state.st_mtime_ns)
            if self._sent.get(name) != mark:
                self._place.put(path, name)
                self._sent[name] = mark
        sizes = {name: self._sent[name][0] for name in found}
        self._place.write(INDEX, json.dumps({"schema": SCHEMA, "files": sizes}, indent=1).encode())
        for name in sorted((self._there | set(self._sent)) - set(found)):
            self._place.remove(name)
            self._sent.pop(name, None)
        self._there = set(found)

    def _files(self) -> dict[str, Path]:
        """The files here, by their names there."""
        roots = [self._folder / part for part in self._parts]
        paths = [path for root in roots for path in ([root] if root.is_file() else sorted(root.rglob("*")))]
        return {path.relative_to(self._folder).as_posix(): path for path in paths if path.is_file()}

    def _index(self) -> dict[str, int]:
        held = self._place.read(INDEX)
        if held is None:
            return {}
        try:
            files = {str(name): int(size) for name, size in json.loads(held)["files"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrainingError(f"{self.url}/{INDEX}: is no index of a training ({error}); remove it") from error
        ours = {name: size for name, size in files.items() if self._is_ours(PurePosixPath(name))}
        if len(ours) < len(files):
            raise TrainingError(f"{self.url}/{INDEX}: lists files that are no training's; remove it")
        return ours

    def _is_ours(self, path: PurePosixPath) -> bool:
        return not path.is_absolute() and ".." not in path.parts and bool(path.parts) and path.parts[0] in self._parts
