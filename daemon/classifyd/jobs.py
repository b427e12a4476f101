"""What the daemon hands a worker: jobs, and what is in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifyd.reports import FileReport, JobReport
from classifyd.values import EMPTY, Choice, Cut, ReadOptions, WriteOptions


@dataclass(frozen=True, slots=True)
class Claim:
    """An exclusive hold on an input. `name` is its path below the inbox, `path` where it lies now.

    Paths are strings as os.fsdecode gives them, so that names which are not UTF-8 survive. `size` and `mtime_ns` are
    those at the claim; `claimed_at` is in seconds since the epoch, and so is `dropped_at`, None if nobody saw that.
    """

    id: str
    inbox: str
    name: str
    path: str
    size: int
    mtime_ns: int
    claimed_at: float
    dropped_at: float | None = None


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task as a job needs it: pinned to a bundle version (None for a task without models)."""

    name: str
    version: int | None = None
    bundle: Path | None = None
    options: Mapping[str, Any] = EMPTY
    review_below: float | None = None


@dataclass(frozen=True, slots=True)
class Suspect:
    """Records [start, end) of an input, by index, that a worker died on while `task` predicted them.

    They are predicted in two halves, apart from the rest, so that the next crash names the half. A single record is
    tried once more alone; if the worker dies again it is `convicted`: not predicted any more, and given an error.
    `deaths` counts the workers that died on exactly these records, `ends` the daemons whose whole life ended with it.
    Without a task it is the input itself, which was read, written, cut or assembled when a daemon ended; convicted, it
    is given up.
    """

    task: str
    start: int
    end: int
    reason: str = ""
    convicted: bool = False
    deaths: int = 1
    ends: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it is the input itself."""
        return not self.task


@dataclass(frozen=True, slots=True)
class Split:
    """A whole input (`cut` is None) or a range of one, and where its part goes.

    `path` is what to open, `name` the input's original name, `number` its place among the input's splits. `part`
    is the final path of the part; the worker writes beside it under an attempt-unique name and renames. No link is
    followed on the way to `path` from the folder `below`, which may be left out: it is then the file's own.
    """

    claim: str
    number: int
    path: str
    name: str
    id_prefix: str
    part: str
    reader: str = ""
    cut: Cut | None = None
    suspects: tuple[Suspect, ...] = ()
    below: str = ""


@dataclass(frozen=True, slots=True)
class Annotate:
    """A job: read the splits, annotate their records with the tasks, write one part each."""

    splits: tuple[Split, ...]
    tasks: tuple[TaskSpec, ...]
    reading: ReadOptions
    format: str
    writing: WriteOptions
    breadcrumb: str
    threads: int = 1
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class CutUp:
    """A job: cut a large input into ranges of about `size` bytes; what cannot be cut is spooled into `spool`.

    See Split for `below`.
    """

    claim: str
    path: str
    name: str
    size: int
    reading: ReadOptions
    spool: str
    below: str = ""


@dataclass(frozen=True, slots=True)
class Assemble:
    """A job: put the parts together, in order, under `output`'s attempt-unique name; fsynced, then renamed to it."""

    claim: str
    parts: tuple[str, ...]
    output: str
    format: str


@dataclass(frozen=True, slots=True)
class Inspect:
    """A job: say what the installed plugins offer, and load the tasks given to see that they can be."""

    tasks: tuple[TaskSpec, ...] = ()
    breadcrumb: str = ""
    threads: int = 1
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Choose:
    """A job: have a task choose what its options leave open, unless what it would choose by is in `known`."""

    task: TaskSpec
    known: Mapping[str, Choice] = EMPTY
    breadcrumb: str = ""
    threads: int = 1
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Observe:
    """A job: tell observing plugins what was done."""

    jobs: tuple[JobReport, ...] = ()
    files: tuple[FileReport, ...] = ()


Job = Annotate | CutUp | Assemble | Inspect | Choose | Observe
