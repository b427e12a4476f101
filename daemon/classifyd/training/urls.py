"""Files behind URLs: brought to a local folder, and written where a store of objects or another driver allows it."""

import contextlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from classifyd.errors import TrainingError
from classifyd.training.drivers import URL, WEB, driver_of, explained, protocol_of

_MAGIC = re.compile(r"[*?\[]")


def is_url(text: str) -> bool:
    """Whether this is a URL rather than a path; `file://` counts as a path."""
    return URL.match(text) is not None and not text.startswith("file://")


def as_path(text: str) -> str:
    """A path as it is, a `file://` URL as the path that it stands for."""
    return text.removeprefix("file://")


def join(url: str, *names: str) -> str:
    """The URL of something below a folder's URL."""
    return "/".join([url.rstrip("/"), *names])


def fetch(url: str, folder: Path) -> list[Path]:
    """What a URL, or a URL with a glob pattern, stands for, as files and folders below `folder`, by name.

    TrainingError if there is nothing, or it cannot be had.
    """
    with explained(url):
        driver, path = driver_of(url)
        if protocol_of(url) in WEB:
            return _fetch_web(driver, url, folder)
        is_pattern = bool(_MAGIC.search(path)) and not driver.exists(path)
        found = sorted(driver.glob(path)) if is_pattern else [path.rstrip("/")]
        root = _parent(_MAGIC.split(path)[0] if is_pattern else found[0])
        targets = [_bring(driver, one, root, folder) for one in found]
        if not targets:
            raise FileNotFoundError(url)
        return targets


@dataclass(frozen=True, slots=True)
class Remote:
    """A file behind a URL: its own URL, its path below what was asked for, its size in bytes, what tells a change."""

    url: str
    name: str
    size: int
    stamp: str


def listed(url: str) -> list[Remote]:
    """Every file that a URL, a folder's or one with a glob pattern, stands for, by name; hidden ones are left out.

    TrainingError if there is none, or they cannot be listed.
    """
    with explained(url):
        driver, path = driver_of(url)
        is_pattern = bool(_MAGIC.search(path)) and not driver.exists(path)
        roots = sorted(driver.glob(path)) if is_pattern else [path.rstrip("/")]
        base = _parent(_MAGIC.split(path)[0] if is_pattern else roots[0])
        details = {name: one for root in roots for name, one in driver.find(root, detail=True).items()}
        found = [
            Remote(str(driver.unstrip_protocol(name)), _below(name, path, base), int(one["size"] or 0), _stamp(one))
            for name, one in sorted(details.items())
        ]
        kept = [one for one in found if not any(step.startswith((".", "_")) for step in one.name.split("/"))]
        if not kept:
            raise FileNotFoundError(url)
        return kept


class Place:
    """A folder behind a URL that is read and written; every method raises TrainingError for what the driver says."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        with explained(self.url):
            self._driver, self._path = driver_of(self.url)

    def probe(self) -> None:
        """Write something small and take it away again. TrainingError if the place cannot be written to."""
        if protocol_of(self.url) in WEB:
            raise TrainingError(f"{self.url}: a web server gives files and takes none; name a bucket or a folder")
        name = f".classifyd-{secrets.token_hex(8)}"
        self.write(name, b"can this be written?\n")
        # Who may write may still be forbidden to delete, and needs not to.
        with contextlib.suppress(Exception):  # drivers raise what they like; nothing depends on it
            self._driver.rm_file(self._at(name))

    def names(self, folder: str = "") -> list[str]:
        """The names of what lies directly in a folder below, sorted; none if it is not there."""
        with explained(join(self.url, folder) if folder else self.url):
            self._driver.invalidate_cache()
            try:
                found = self._driver.ls(self._at(folder), detail=False)
            except FileNotFoundError:
                return []
            return sorted({PurePosixPath(one.rstrip("/")).name for one in found})

    def sizes(self, folder: str = "") -> dict[str, int]:
        """The files that lie directly in a folder below, with their sizes in bytes; none if it is not there."""
        with explained(join(self.url, folder) if folder else self.url):
            self._driver.invalidate_cache()
            try:
                found = self._driver.ls(self._at(folder), detail=True)
            except FileNotFoundError:
                return {}
            return {PurePosixPath(one["name"]).name: int(one["size"] or 0) for one in found if one["type"] == "file"}

    def where(self, name: str) -> str:
        """The URL of a file below, as `listed` has it."""
        return str(self._driver.unstrip_protocol(self._at(name)))

    def read(self, name: str) -> bytes | None:
        """The bytes of a file below; None if there is none."""
        with explained(join(self.url, name)):
            try:
                return bytes(self._driver.cat_file(self._at(name)))
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes) -> None:
        """Write a small file below; an object store replaces one that is there in one step."""
        with explained(join(self.url, name)):
            self._make_parents(name)
            self._driver.pipe_file(self._at(name), data)

    def create(self, name: str, data: bytes) -> bool:
        """Write a small file below unless it is there; False if it is.

        Two that create at the same moment are told apart where the driver can (s3, gs, memory).
        """
        with explained(join(self.url, name)):
            self._make_parents(name)
            try:
                self._driver.pipe_file(self._at(name), data, mode="create")
            except FileExistsError:
                return False
            except (NotImplementedError, TypeError, ValueError):
                self._driver.invalidate_cache()
                if self._driver.exists(self._at(name)):
                    return False
                self._driver.pipe_file(self._at(name), data)
            return True

    def put(self, source: Path, name: str) -> None:
        """Copy a local file there."""
        with explained(join(self.url, name)):
            self._make_parents(name)
            self._driver.put_file(str(source), self._at(name))

    def get(self, name: str, target: Path) -> None:
        """Copy a file from there."""
        with explained(join(self.url, name)):
            target.parent.mkdir(parents=True, exist_ok=True)
            self._driver.get_file(self._at(name), str(target))

    def remove(self, name: str) -> None:
        """Remove a file below, if it is there."""
        with explained(join(self.url, name)):
            try:
                self._driver.rm_file(self._at(name))
            except FileNotFoundError:
                return

    def _at(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}".rstrip("/")

    def _make_parents(self, name: str) -> None:
        """Folders, for drivers that have them; stores of objects have none, and a bucket is not made unasked."""
        parent = self._at(name).rpartition("/")[0]
        if protocol_of(self.url) not in {"s3", "s3a", "gs", "gcs", "abfs", "az"}:
            self._driver.makedirs(parent, exist_ok=True)


def _fetch_web(driver: Any, url: str, folder: Path) -> list[Path]:
    """A web server has no folders to list: one file, or those a page links to that fit a pattern with a star."""
    found = sorted(driver.glob(url)) if "*" in url else [url]
    targets = []
    for one in found:
        name = PurePosixPath(one.partition("?")[0].partition("#")[0].rstrip("/")).name
        target = folder / _inside(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        driver.get_file(one, str(target))
        targets.append(target)
    if not targets:
        raise FileNotFoundError(url)
    return targets


def _bring(driver: Any, path: str, base: PurePosixPath, folder: Path) -> Path:
    """One file, or a folder with all that is in it, at the same place below `folder` as it has below `base`."""
    target = folder / _inside(str(PurePosixPath(path).relative_to(base)))
    if driver.info(path)["type"] == "file":
        target.parent.mkdir(parents=True, exist_ok=True)
        driver.get_file(path, str(target))
        return target
    inside = [name for name in sorted(driver.find(path)) if not name.endswith("/")]
    if not inside:
        raise FileNotFoundError(path)
    for name in inside:
        one = target / _inside(str(PurePosixPath(name).relative_to(path)))
        one.parent.mkdir(parents=True, exist_ok=True)
        driver.get_file(name, str(one))
    return target


def _parent(path: str) -> PurePosixPath:
    """The folder that a path lies in: of "/a" it is "/", of a bucket there is none."""
    parent, slash, _ = path.rpartition("/")
    return PurePosixPath(parent or slash)


def _below(name: str, path: str, base: PurePosixPath) -> str:
    """The path of a file below the folder that was asked for, or below what comes before a pattern."""
    root = path.rstrip("/")
    return _inside(str(PurePosixPath(name).relative_to(root if name.startswith(f"{root}/") else base)))


def _stamp(details: Mapping[str, Any]) -> str:
    """What changes with a file's content, as far as its driver tells."""
    told = (details.get(key) for key in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "created"))
    return str(next((one for one in told if one), ""))


def _inside(name: str) -> str:
    """A relative path as it is. TrainingError for one that leads out of its folder: objects may be called anything."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts:
        raise TrainingError(f"{name!r}: an object of that name cannot be stored as a file; rename it")
    return name
