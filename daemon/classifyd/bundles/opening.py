"""Opening a bundle: its manifest checked, its folder holding what the manifest names and nothing else."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from classifyd.bundles.manifest import MANIFEST, check
from classifyd.errors import BundleError, UnreadableBundle
from classifyd.values import Bundle


def open_bundle(path: Path) -> Bundle:
    """The bundle in a folder: manifest checked, and nothing there that it does not name. Reads no large file.

    BundleError if the folder or a file in it is missing, a symbolic link or unexpected, or the manifest is not valid.
    """
    with readable(path):
        return _open(path)


def _open(path: Path) -> Bundle:
    if path.is_symlink():
        raise BundleError(f"{path}: is a symbolic link; a bundle must be a folder of its own, so copy it here")
    if not path.is_dir():
        raise BundleError(f"{path}: there is no such bundle; train one, or name a version that is there")
    data = _read_manifest(path / MANIFEST)
    try:
        manifest = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path / MANIFEST}: is not JSON ({error}); restore the file or roll back") from error
    check(path / MANIFEST, manifest)
    bundle = Bundle(path, manifest["task"], manifest["version"], hashlib.sha256(data).hexdigest(), manifest)
    _check_listing(path, manifest["files"])
    _check_blobs(bundle)
    return bundle


def open_version(path: Path, task: str, version: int) -> Bundle:
    """The bundle in a folder, if it is the one that belongs there. BundleError if it is another one's, or unfit."""
    bundle = open_bundle(path)
    if (bundle.task, bundle.version) != (task, version):
        raise BundleError(
            f"{bundle.path / MANIFEST}: is of {bundle.task}@{bundle.version}, but lies where {task}@{version} "
            "belongs; put it back into its own folder"
        )
    return bundle


def verify(bundle: Bundle) -> None:
    """Read every file of a bundle against its digest, without holding it. BundleError with all that is wrong."""
    with readable(bundle.path):
        faults = [fault for name in bundle.files if (fault := _digest_fault(bundle, name))]
    if faults:
        raise BundleError("\n".join(f"{bundle.task}@{bundle.version}: {fault}" for fault in faults))


def entries(folder: Path) -> list[str]:
    """The names in a folder, sorted; none if it is not there. UnreadableBundle if it cannot be read."""
    with readable(folder):
        try:
            return sorted(os.listdir(folder))  # noqa: PTH208  # names alone, and a missing folder differs from an empty one
        except (FileNotFoundError, NotADirectoryError):
            return []


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """UnreadableBundle, with the file's path or else this one, for whatever the system refuses in here."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise UnreadableBundle(f"{where}: {error.strerror or error}; see that it can be read") from error


def _digest_fault(bundle: Bundle, name: str) -> str | None:
    """What is wrong with the bytes of a bundle's file, read without holding them; None if nothing is."""
    path, digest = bundle.files[name]
    try:
        found = _digest(path)
    except FileNotFoundError:
        return f"{path}: is missing; restore the file or roll back"
    if found == digest:
        return None
    return f"{path}: sha256 is {found}, the manifest says {digest}; restore the file or roll back"


def _read_manifest(path: Path) -> bytes:
    if path.is_symlink():
        raise BundleError(f"{path}: is a symbolic link, which bundles may not hold; copy the file itself")
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise BundleError(f"{path}: is missing; restore the file or roll back") from error


def _check_listing(path: Path, files: Mapping[str, str]) -> None:
    expected = {*files, MANIFEST}
    for name in entries(path):
        if (path / name).is_symlink():
            raise BundleError(f"{path / name}: is a symbolic link, which bundles may not hold; copy the file itself")
        if name not in expected:
            raise BundleError(f"{path / name}: the manifest does not name this file; take it out of the bundle")
        if not (path / name).is_file():
            raise BundleError(f"{path / name}: is not a regular file; restore it or roll back")
    for name in files:
        if not (path / name).exists():
            raise BundleError(f"{path / name}: the manifest names it, but it is missing; restore it or roll back")


def _check_blobs(bundle: Bundle) -> None:
    for name in bundle.requires:
        path, _ = bundle.files[name]
        if path.is_symlink() or not path.is_file():
            what = "is no regular file" if os.path.lexists(path) else "is missing"
            raise BundleError(
                f"{path}: {what}; {bundle.task}@{bundle.version} requires it as {name}. Copy it from where the bundle "
                "came from, or bring the bundle in with classifyd models import"
            )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
