"""Files that travel with a job where nodes share no folder: what it reads goes there, its parts come back.

A range of text goes as these bytes alone, at its place in a file that is otherwise a hole. What must be read as a whole
(Parquet, other people's readers) goes through the object store once and is kept on each node by digest, as bundles are.
"""

import hashlib
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from classifyd import bundles
from classifyd.api import ClassifydError
from classifyd.errors import DiskFault
from classifyd.jobs import Annotate, Choose, Inspect, Job, Split, TaskSpec
from classifyd.pipeline.sources import opened_file
from classifyd.readers import spool
from classifyd.reports import JobReport, PartReport
from classifyd.values import Fault, ReadOptions

PIECE_BYTES = 16 * 2**20
WHOLES_IN_STORE = 4
"""So many inputs that go as a whole stay in the object store; those before them are put there again if need be."""
RANGES_ALONE = frozenset({spool.NAME, "jsonl", "csv", "mbox"})
"""Readers that read nothing of a file but the range that they are given."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a split's file, which has `size` of them: those from `start` on, or a `whole` file by its digest."""

    size: int
    start: int = 0
    data: bytes = b""
    whole: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes with a job: `pieces` of its splits' files, by place, and the digests of its `bundles`, by path."""

    pieces: tuple[Piece, ...] = ()
    bundles: Mapping[str, str] = field(default_factory=dict)


Stored = Mapping[str, tuple[Any, ...]]
"""Where the bytes of some digests are in the object store, in pieces."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A job that can go, with its parcel. `faulty` are the reports of splits that cannot be read, which it has not."""

    job: Job
    parcel: Parcel
    stored: Stored
    faulty: tuple[PartReport, ...] = ()


class Unfit(Exception):  # not an error: a report in place of the job's
    """The job cannot go: its report says what is wrong with its files or bundles."""

    def __init__(self, report: JobReport) -> None:
        super().__init__()
        self.report = report


class Packing:
    """Packs parcels on the daemon's machine. `put` leaves bytes in the object store; `folder` is for drafts."""

    def __init__(self, put: Callable[[bytes], Any], folder: Path) -> None:
        self._put = put
        self._folder = folder
        self._lock = threading.Lock()
        self._stored: dict[str, tuple[Any, ...]] = {}
        self._bundles: dict[tuple[str, int, int], str] = {}
        self._wholes: OrderedDict[tuple[str, int, int], str] = OrderedDict()

    def packed(self, job: Job) -> Packed:
        """The job with what it reads. Unfit if nothing of it can go."""
        tasks = job.tasks if isinstance(job, Annotate | Inspect) else (job.task,) if isinstance(job, Choose) else ()
        archives = {str(spec.bundle): self._archived(spec) for spec in tasks if spec.bundle is not None}
        going: list[tuple[Split, Piece]] = []
        faulty: list[PartReport] = []
        if isinstance(job, Annotate):
            for split in job.splits:
                try:
                    going.append((split, self._piece(split, job.reading)))
                except DiskFault as error:
                    raise Unfit(JobReport(fault=Fault.of(error))) from error
                except ClassifydError as error:
                    faulty.append(PartReport(split.claim, split.number, fault=Fault.of(error)))
            if not going:
                raise Unfit(JobReport(tuple(faulty)))
            job = replace(job, splits=tuple(split for split, _ in going))
        pieces = tuple(piece for _, piece in going)
        wanted = {*archives.values(), *(piece.whole for piece in pieces if piece.whole)}
        stored = {digest: self._stored[digest] for digest in wanted}
        return Packed(job, Parcel(pieces, archives), stored, tuple(faulty))

    def close(self) -> None:
        """Let go of all that is in the store."""
        with self._lock:
            self._stored.clear()
            self._bundles.clear()
            self._wholes.clear()

    def _piece(self, split: Split, reading: ReadOptions) -> Piece:
        cut = split.cut
        with opened_file(split, reading) as file:
            status = os.fstat(file.fileno())
            if cut is None:
                return Piece(status.st_size, 0, file.read())
            if split.reader in RANGES_ALONE and not cut.context.get("wide"):
                file.seek(cut.start)
                return Piece(status.st_size, cut.start, file.read(cut.end - cut.start))
            return Piece(status.st_size, whole=self._whole((split.path, status.st_size, status.st_mtime_ns), file))

    def _whole(self, key: tuple[str, int, int], file: BinaryIO) -> str:
        with self._lock:
            if key not in self._wholes:
                self._wholes[key] = self._store(file)
                while len(self._wholes) > WHOLES_IN_STORE:
                    self._forget(self._wholes.popitem(last=False)[1])
            self._wholes.move_to_end(key)
            return self._wholes[key]

    def _forget(self, digest: str) -> None:
        if digest not in (*self._bundles.values(), *self._wholes.values()):
            # A job that was just packed has its own hold on what it names.
            self._stored.pop(digest, None)

    def _archived(self, spec: TaskSpec) -> str:
        assert spec.bundle is not None
        assert spec.version is not None
        try:
            manifest = (spec.bundle / bundles.MANIFEST).stat()
            key = (str(spec.bundle), manifest.st_ino, manifest.st_mtime_ns)
            with self._lock:
                if key not in self._bundles:
                    bundle = bundles.open_version(spec.bundle, spec.name, spec.version)
                    with tempfile.TemporaryDirectory(prefix="bundle-", dir=self._folder) as draft:
                        archive = Path(draft, "bundle.tar")
                        bundles.export(bundle, archive)
                        with archive.open("rb") as file:
                            self._bundles[key] = self._store(file)
                return self._bundles[key]
        except ClassifydError as error:
            raise Unfit(JobReport(unloadable={spec.name: Fault.of(error)})) from error
        except OSError as error:
            fault = Fault(DiskFault.__name__, f"{error.filename or spec.bundle}: {error.strerror or error}")
            raise Unfit(JobReport(fault=fault)) from error

    def _store(self, file: BinaryIO) -> str:
        digest = hashlib.sha256()
        pieces = []
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            pieces.append(self._put(piece))
        self._stored[digest.hexdigest()] = tuple(pieces)
        return digest.hexdigest()
