"""Where a corpus lies and where its answers go: a folder, or what lies behind a URL, used in the same way."""

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, Protocol

from classifyd.disk import fsync_folder
from classifyd.pipeline.parts import write_whole
from classifyd.service.clashes import refuse_within, within
from classifyd.training import urls


class Place(Protocol):
    """A folder, wherever it is."""

    def names(self, folder: str = "") -> list[str]:
        """The names of what lies directly in a folder below, sorted; none if it is not there."""
        ...

    def sizes(self, folder: str = "") -> dict[str, int]:
        """The files that lie directly in a folder below, with their sizes in bytes; none if it is not there."""
        ...

    def where(self, name: str) -> str:
        """The path or the URL of a file below."""
        ...

    def read(self, name: str) -> bytes | None:
        """The bytes of a file below; None if there is none."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write a small file below, in place of an older one, whole or not at all."""
        ...

    def put(self, source: Path, name: str) -> None:
        """Have a local file lie there, in place of an older one, whole or not at all; the file may be gone then."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file below, if it is there."""
        ...


class Folder:
    """A place on a file system."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self, folder: str = "") -> list[str]:
        """See Place."""
        try:
            return sorted(os.listdir(self._path / folder))  # noqa: PTH208  # names alone
        except FileNotFoundError:
            return []

    def sizes(self, folder: str = "") -> dict[str, int]:
        """See Place."""
        try:
            with os.scandir(self._path / folder) as entries:
                return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def where(self, name: str) -> str:
        """See Place."""
        return str(self._path / name)

    def read(self, name: str) -> bytes | None:
        """See Place."""
        try:
            return (self._path / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """See Place."""
        write_whole(self._path / name, lambda stream: _fill(stream, data))

    def put(self, source: Path, name: str) -> None:
        """See Place. The file must lie on the same file system, and be on the disk."""
        target = self._path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        fsync_folder(target.parent)

    def remove(self, name: str) -> None:
        """See Place."""
        (self._path / name).unlink(missing_ok=True)


def _fill(stream: BinaryIO, data: bytes) -> None:
    stream.write(data)


def whole(text: str) -> str:
    """A path as it is found from anywhere, a URL as it is."""
    return text if urls.is_url(text) else str(Path(urls.as_path(text)).absolute())


def place(text: str) -> Place:
    """The place that a whole path or a URL stands for."""
    return urls.Place(text) if urls.is_url(text) else Folder(Path(text))


def refuse_among(sources: Iterable[str], target: str) -> None:
    """UsageError if the place of the answers is, or lies in, one that is labelled."""
    if not urls.is_url(target):
        refuse_within((urls.as_path(source) for source in sources if not urls.is_url(source)), target)
        return
    for source in sources:
        if _covers(source, target):
            raise within(source, target)


def _covers(source: str, target: str) -> bool:
    """Whether what lies below a URL is found by another one, which may be a pattern."""
    pattern, steps = source.rstrip("/").split("/"), target.rstrip("/").split("/")
    if "**" in pattern:
        pattern = pattern[: pattern.index("**")]
    return len(pattern) <= len(steps) and all(map(fnmatchcase, steps, pattern))
