"""Where a corpus lies and where its answers go: a folder, or what lies behind a URL, used in the same way."""

import os
from pathlib import Path
from typing import BinaryIO, Protocol

from classifyd.disk import fsync_folder
from classifyd.pipeline.parts import write_whole
from classifyd.training import urls


class Place(Protocol):
    """A folder, wherever it is."""

    def names(self, folder: str = "") -> list[str]:
        """The names of what lies directly in a folder below, sorted; none if it is not there."""
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


def _fill(stream: BinaryIO, data: bytes) -> None:
    stream.write(data)


def whole(text: str) -> str:
    """A path as it is found from anywhere, a URL as it is."""
    return text if urls.is_url(text) else str(Path(urls.as_path(text)).absolute())


def place(text: str) -> Place:
    """The place that a whole path or a URL stands for."""
    return urls.Place(text) if urls.is_url(text) else Folder(Path(text))
