"""Blobs: files that several bundles require, kept once, below `blobs` under their sha256."""

import contextlib
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from classifyd.bundles.holding import alone
from classifyd.bundles.opening import entries
from classifyd.disk import copy, fsync_folder
from classifyd.values import BLOBS

if TYPE_CHECKING:
    from classifyd.bundles.store import Store

_DRAFT = ".draft-"


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob that no bundle requires, and the bytes that it takes."""

    name: str
    size: int


def keep(models: Path, source: Path) -> str:
    """Copy a file to where bundles below `models` find it, unless it is there; its sha256. On the disk when it returns.

    Whoever calls this holds `held`, until the bundle that requires it has its name.
    """
    folder = models / BLOBS
    draft = folder / f"{_DRAFT}{secrets.token_hex(8)}"
    try:
        digest = copy(source, draft)
        draft.replace(folder / digest)  # the same bytes, if there were any
    finally:
        draft.unlink(missing_ok=True)
    fsync_folder(folder)
    fsync_folder(models)
    return digest


def held(models: Path) -> contextlib.AbstractContextManager[None]:
    """Keep blobs from being removed, and hold up others who would; the folder is made."""
    folder = models / BLOBS
    folder.mkdir(parents=True, exist_ok=True)
    return alone(folder)


def sweep(store: "Store", *, dry_run: bool = False, without: Collection[tuple[str, int]] = ()) -> Iterator[Blob]:
    """Remove the blobs that no version of any task requires; each is yielded when it is gone.

    What the versions `without` require counts for nothing: they would be gone, were this no dry run. BundleError, and
    all blobs stay, if the manifest of any other version cannot be read: it may require one.
    """
    folder = store.path / BLOBS
    if not folder.is_dir():
        return
    with held(store.path):
        needed = {
            digest
            for task in store.tasks()
            for version in store.versions(task)
            if (task, version) not in without
            for digest in store.open(task, version).requires.values()
        }
        for name in entries(folder):
            if name not in needed:
                size = (folder / name).lstat().st_size
                if not dry_run:
                    (folder / name).unlink()
                yield Blob(name, size)
