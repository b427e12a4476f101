"""Removing versions that nobody needs any more: each is gone whole or not at all."""

import secrets
import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from classifyd.bundles.holding import alone
from classifyd.bundles.opening import entries
from classifyd.bundles.store import DRAFT, Store
from classifyd.disk import fsync_folder

REMOVED = ".removed-"
DAY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Spare:
    """A version that can go, and the bytes that its files take."""

    task: str
    version: int
    size: int


def spare(store: Store, task: str, keep: int, needed: Collection[int]) -> list[Spare]:
    """The versions of a task that can go, oldest first.

    Kept are the newest `keep`, the one in service, the one that a rollback would go to, and those `needed` elsewhere.
    BundleError if what is in service cannot be read.
    """
    versions = store.versions(task)
    kept = {*versions[len(versions) - min(keep, len(versions)) :], *needed, store.current(task), store.before(task)}
    return [Spare(task, v, _size(store.folder(task, v))) for v in versions if v not in kept]


def prune(store: Store, task: str, keep: int, needed: Collection[int]) -> Iterator[Spare]:
    """Remove the versions of a task that can go; each is yielded when it is gone.

    A version loses its name in one step before its files go: a worker that was about to load it finds a whole bundle
    or none, and what a crash leaves has a name that nobody reads, and goes with the next pruning. So do drafts of
    versions that nobody has worked on for a day.
    """
    folder = store.path / task
    with alone(folder):
        _sweep(folder)
        for one in spare(store, task, keep, needed):
            grave = folder / f"{REMOVED}{one.version}-{secrets.token_hex(4)}"
            store.folder(task, one.version).rename(grave)
            fsync_folder(folder)
            shutil.rmtree(grave)
            yield one


def _sweep(folder: Path) -> None:
    for name in entries(folder):
        if name.startswith(REMOVED) or (name.startswith(DRAFT) and _is_left(folder / name)):
            shutil.rmtree(folder / name)


def _is_left(draft: Path) -> bool:
    try:
        changed = max(path.stat().st_mtime for path in (draft, *draft.iterdir()))
    except FileNotFoundError:  # whoever made it is there, and has just ended
        return False
    return changed < time.time() - DAY_SECONDS


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
