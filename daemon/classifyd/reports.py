"""What the daemon gets back: what became of a job's parts, of whole inputs, and what each task had to do for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from classifyd.offers import Offers
from classifyd.values import EMPTY, Choice, Cut, Fault


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
