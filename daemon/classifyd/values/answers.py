"""What tasks say of records, how they came to it, and what a writer gets of that."""

from collections.abc import Mapping
from dataclasses import dataclass

from classifyd.values.empty import EMPTY
from classifyd.values.records import Fault, Record


@dataclass(frozen=True, slots=True)
class Label:
    """One class and its calibrated probability, 0 to 1."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a record's text: [start, end) in code points, its label and probability."""

    start: int
    end: int
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one task said of one record: labels (likeliest first), or spans (in text order), or an error.

    `spans` is None for a task that labels whole records, an empty tuple for one that found nothing. `model` and
    `review` are set by the pipeline.
    """

    labels: tuple[Label, ...] = ()
    spans: tuple[Span, ...] | None = None
    error: Fault | None = None
    model: str = ""
    review: bool = False


@dataclass(frozen=True, slots=True)
class ReadWindow:
    """A stretch of a text that a model took at once: [start, end) in code points, its tokens, special ones included.

    `weight` is its share in the answer, 0 to 1: of the text's tokens, those that this window was asked about. `scores`
    has for each label what this window says by itself: its probability, or where spans are marked, the highest of a
    word.
    """

    start: int
    end: int
    tokens: int
    weight: float
    scores: Mapping[str, float] = EMPTY


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a predictor came to its answer to one record.

    `answer` is the one that `predict` gives, `plain` the same with scores as they were before calibration, which
    `calibration` tells by the names of its numbers. `windows` are in the text's order; none for a task that reads texts
    otherwise.
    """

    answer: Annotation
    plain: Annotation
    calibration: Mapping[str, float] = EMPTY
    windows: tuple[ReadWindow, ...] = ()


@dataclass(frozen=True, slots=True)
class AnnotatedRecord:
    """A record with what each task said of it, as writers get it. `id` is `<inbox>/<output name>#<index>`."""

    id: str
    source: str
    record: Record
    annotations: Mapping[str, Annotation] = EMPTY


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What an inbox asks of its writer: the tasks in the order of their columns, and whether texts are kept.

    `csv_formulas` is "escape" if cells that a spreadsheet would run are to be made harmless in CSV, else "keep".
    `span_tasks` names those of the tasks that mark spans, which have other columns in a table; None if that is not
    known, and each part then goes by its own records.
    """

    tasks: tuple[str, ...]
    include_text: bool = True
    span_tasks: tuple[str, ...] | None = None
    csv_formulas: str = "keep"
