"""What the daemon hands a worker and what it gets back: jobs, their splits, and reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from classifyd.offers import Offers
from classifyd.values import EMPTY, Choice, Cut, Fault, ReadOptions, WriteOptions


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

    jobs: tuple["JobReport", ...] = ()
    files: tuple["FileReport", ...] = ()


Job = Annotate | CutUp | Assemble | Inspect | Choose | Observe


# ------------------------------------------------------------------ reports


@dataclass(frozen=True, slots=True)
class PartReport:
    """What became of one split: counts, or the fault that makes its input unreadable.

    `labels` maps a task to its top label, for inputs of one record (`done = "…/{spam}"`). `counts` maps a task to how
    often each label came out, `doubts` to how many records are for review for the sake of each. `size` and `digest`
    (sha256) are the part's.
    """

    claim: str
    number: int
    records: int = 0
    errors: int = 0
    reviews: int = 0
    labels: Mapping[str, str] = EMPTY
    counts: Mapping[str, Mapping[str, int]] = EMPTY
    doubts: Mapping[str, Mapping[str, int]] = EMPTY
    size: int = 0
    digest: str = ""
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Effort:
    """What a task's answers to some records took, the time in seconds.

    The rest is what the predictor says of its model, if it says anything: `batches` maps a size to how many
    micro-batches had it; of all the `tokens` that the model was run on, `padding` were there to fill up, and `unknown`
    stood for something that its vocabulary does not have.
    """

    records: int = 0
    seconds: float = 0.0
    batches: Mapping[int, int] = field(default_factory=dict)
    tokens: int = 0
    padding: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """What the answers of one version of a task look like taken together, those that hold an error left out.

    `labels` counts the top labels of texts, or spans by label; `scores` is the sum of their scores. `reviews` are for
    review. `tokens` are those of texts that the model was run on, without padding, and `unknown` as in Effort.
    """

    task: str
    version: int | None
    records: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)
    scores: float = 0.0
    reviews: int = 0
    tokens: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class JobReport:
    """What a worker hands back: the parts, the time it took, its memory, and faults that are not an input's own.

    `unloadable` names tasks that could not be loaded: no part was then written. `sick` names tasks that failed on
    every record they were given: the parts say so record by record; `answered` those that did answer some. `fault` is
    one of the disk or the worker itself. `worn` is why the worker should be replaced after this job, empty if it may
    go on. `chosen` is what a task chose, with the name of what it chose by; None if it leaves nothing open. `efforts`
    has what each task took, `profiles` what the answers of those with models look like.
    """

    parts: tuple[PartReport, ...] = ()
    seconds: float = 0.0
    records: int = 0
    peak_bytes: int = 0
    pid: int = 0
    unloadable: Mapping[str, Fault] = EMPTY
    sick: Mapping[str, Fault] = EMPTY
    answered: tuple[str, ...] = ()
    cuts: tuple[Cut, ...] = ()
    reader: str = ""
    spooled: bool = False
    offers: Offers | None = None
    fault: Fault | None = None
    worn: str = ""
    chosen: tuple[str, Choice] | None = None
    efforts: Mapping[str, Effort] = EMPTY
    profiles: tuple[Profile, ...] = ()


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one input, for observers: never its text.

    `seconds` went by since its claim, `waited` between its drop and its claim (None if nobody saw it dropped).
    `counts` and `doubts` are as in PartReport; empty where a restart finished what had begun to be published.
    """

    inbox: str
    source: str
    state: str
    records: int
    errors: int
    reviews: int
    output: str | None
    seconds: float
    reason: str = ""
    waited: float | None = None
    counts: Mapping[str, Mapping[str, int]] = EMPTY
    doubts: Mapping[str, Mapping[str, int]] = EMPTY
