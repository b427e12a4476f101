"""What a node keeps of what it was sent, under digests: bundles, and inputs that are read as a whole."""

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from classifyd import bundles
from classifyd.bundles import Store
from classifyd.jobs import Annotate, Choose, Inspect, Job, Split, TaskSpec
from classifyd.workers.parcels import Parcel, Piece, Stored

KEPT_BYTES = 16 * 2**30
"""So much of inputs is kept; the longest unused go first."""
_WORKSHOP = "actor-"


class Shelf:
    """One for all actors of a user on a node. `get` fetches bytes from the object store."""

    def __init__(self, get: Callable[[Any], bytes]) -> None:
        self._get = get
        self._folder = _own_folder()

    @contextlib.contextmanager
    def unpacked(
        self, parcel: Parcel, stored: Stored, job: Job, folder: Path
    ) -> Iterator[tuple[Job, Mapping[str, str]]]:
        """The job with what it names lying here, and where each part is to be fetched; both are gone on leaving."""
        with tempfile.TemporaryDirectory(prefix="job-", dir=folder) as here:
            parts: dict[str, str] = {}
            if isinstance(job, Annotate):
                pairs = zip(parcel.pieces, job.splits, strict=True)
                splits = [
                    self._laid_down(piece, stored, split, Path(here, str(n))) for n, (piece, split) in enumerate(pairs)
                ]
                parts = {there.part: split.part for there, split in zip(splits, job.splits, strict=True)}
                job = replace(job, splits=tuple(splits))
            if isinstance(job, Annotate | Inspect):
                job = replace(job, tasks=tuple(self.with_bundle(parcel, stored, spec) for spec in job.tasks))
            elif isinstance(job, Choose):
                job = replace(job, task=self.with_bundle(parcel, stored, job.task))
            yield job, parts

    def _laid_down(self, piece: Piece, stored: Stored, split: Split, path: Path) -> Split:
        part = f"{path}.part"
        if piece.whole:
            whole = self._kept(piece.whole, "input", stored[piece.whole], _written)
            return replace(split, path=str(whole), part=part, below="")
        with path.open("xb") as file:
            file.truncate(piece.size)
            file.seek(piece.start)
            file.write(piece.data)
        return replace(split, path=str(path), part=part, below="")

    def with_bundle(self, parcel: Parcel, stored: Stored, spec: TaskSpec) -> TaskSpec:
        """A task with its bundle lying here."""
        if spec.bundle is None:
            return spec
        digest = parcel.bundles[str(spec.bundle)]
        store = self._kept(digest, "bundle", stored[digest], _brought_in)
        return replace(spec, bundle=store / spec.name / str(spec.version))

    def _kept(self, digest: str, kind: str, refs: Sequence[Any], make: Callable[[Path, Path], None]) -> Path:
        """What lies here under a digest, made of what the store has if it does not."""
        final = self._folder / f"{kind}-{digest}"
        with FileLock(self._folder / f"{kind}-{digest}.lock"):
            if final.exists():
                os.utime(final)
                return final
            with tempfile.TemporaryDirectory(prefix="draft-", dir=self._folder) as draft:
                received = Path(draft, "received")
                found = hashlib.sha256()
                with received.open("xb") as file:
                    for ref in refs:
                        piece = self._get(ref)
                        found.update(piece)
                        file.write(piece)
                if found.hexdigest() != digest:
                    raise OSError(f"what came from the object store is not what was put there (sha256 {digest})")
                if kind == "input":
                    self._make_room(received.stat().st_size)
                made = Path(draft, "made")
                make(received, made)
                made.rename(final)
        return final

    def _make_room(self, size: int) -> None:
        inputs = [path for path in self._folder.glob("input-*") if path.suffix != ".lock"]
        lying = sorted(((path.stat(), path) for path in inputs), key=lambda pair: pair[0].st_mtime)
        total = size + sum(status.st_size for status, _ in lying)
        for status, path in lying:
            if total <= KEPT_BYTES:
                return
            path.unlink(missing_ok=True)  # whoever reads it goes on reading
            total -= status.st_size


def _written(received: Path, made: Path) -> None:
    received.rename(made)


def _brought_in(received: Path, made: Path) -> None:
    made.mkdir()
    bundles.bring_in(received, Store(made))


def workshop() -> Path:
    """A folder for this process alone. Those of processes that are gone, which could not remove theirs, are removed."""
    folder = _own_folder()
    for left in folder.glob(f"{_WORKSHOP}*"):
        pid = left.name.removeprefix(_WORKSHOP).partition("-")[0]
        if not Path("/proc", pid).exists():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_WORKSHOP}{os.getpid()}-", dir=folder))


def _own_folder() -> Path:
    """A folder in a place that is open to all: ours, and no link; else one of another name."""
    path = Path(tempfile.gettempdir(), f"classifyd-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        return path
    return Path(tempfile.mkdtemp(prefix="classifyd-"))
