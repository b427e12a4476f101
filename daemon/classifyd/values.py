"""The frozen values that modules hand each other, from a message to its labels."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from classifyd.errors import BundleError


class _Empty(dict[str, Any]):
    """An empty mapping: hashable, so that dataclasses take it as a default, and it can be pickled and dumped."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # dict says None


EMPTY: Mapping[str, Any] = _Empty()


# ------------------------------------------------------------------ what is read


@dataclass(frozen=True, slots=True)
class Limits:
    """What one input may cost; passing a limit quarantines the input, or sets an error on the record."""

    file_bytes: int = 20 * 2**30
    record_bytes: int = 10 * 2**20
    decompressed_bytes: int = 100 * 2**30
    decompression_ratio: int = 1000
    mime_parts: int = 1000
    mime_depth: int = 50


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with one record: the kind of error and a sentence for people."""

    type: str
    message: str

    @classmethod
    def of(cls, error: BaseException) -> "Fault":
        """The fault that an exception stands for."""
        return cls(type(error).__name__, str(error))


@dataclass(frozen=True, slots=True)
class Record:
    """One text to annotate, with its metadata.

    `index` is its place in the input, from 0. `row` holds every column of a table's row, in order, the text's
    included, the same ones for every row of a table; None for texts, mails and JSON objects. `meta` is what travels to
    the output beside the text: mail headers, or the row's or object's other columns. `error` is set on a row that could
    not be read; its text is then empty.
    """

    text: str
    index: int = 0
    meta: Mapping[str, Any] = EMPTY
    row: Mapping[str, Any] | None = None
    error: Fault | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """An open input as a reader sees it: `stream` is decompressed, at its beginning, and closed by the caller.

    `name` is the input's original name without a compression suffix. `text_field` is the configured column, or None
    to guess it.
    """

    stream: BinaryIO
    name: str
    text_field: str | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How an inbox reads: the text's column (None to guess), the limits, and whether a file may have several names."""

    text_field: str | None = None
    limits: Limits = field(default_factory=Limits)
    hard_links: bool = True


@dataclass(frozen=True, slots=True)
class Cut:
    """A range of a large input that can be read by itself: [start, end) in the reader's own unit (bytes, row groups).

    `first` is the index of its first record. `context` is what a later range must know (header, dialect, chosen
    column): plain JSON values.
    """

    start: int
    end: int
    first: int
    context: Mapping[str, Any] = EMPTY


# ------------------------------------------------------------------ what tasks say


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


# ------------------------------------------------------------------ models


BLOBS = "blobs"
"""Beside the tasks' folders of bundles: what several bundles require, each file under its sha256."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model folder whose manifest was read and checked; files are verified as they are read.

    `version` is the bundle's number; `digest` is the sha256 of its manifest, which names the sha256 of every file.
    """

    path: Path
    task: str
    version: int
    digest: str
    manifest: Mapping[str, Any]

    def read(self, name: str) -> bytes:
        """The bytes of one of its files. BundleError if it is not in the manifest, missing, or altered."""
        if name not in self.files:
            raise BundleError(f"{self.path}: the manifest lists no file {name!r}; train or copy the bundle again")
        path, expected = self.files[name]
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BundleError(f"{path}: {error.strerror}; restore the file or roll back") from error
        found = hashlib.sha256(data).hexdigest()
        if found != expected:
            raise BundleError(f"{path}: sha256 is {found}, the manifest says {expected}; restore the file or roll back")
        return data

    @property
    def requires(self) -> Mapping[str, str]:
        """The sha256 of what it shares with other bundles, by the name under which it reads it."""
        return self.manifest.get("requires") or EMPTY

    @property
    def files(self) -> dict[str, tuple[Path, str]]:
        """Where each of its files lies, and its sha256; what it shares with others lies among the blobs."""
        blobs = self.path.parent.parent / BLOBS
        own = {name: (self.path / name, digest) for name, digest in self.manifest["files"].items()}
        return own | {name: (blobs / digest, digest) for name, digest in self.requires.items()}


@dataclass(frozen=True, slots=True)
class Setup:
    """What a task is loaded with. `bundle` is None if no model was ever published for the task.

    `options` is the task's section of the configuration; `device` is `cpu` or `cuda`; `threads` is how many the
    predictor may use.
    """

    task: str
    options: Mapping[str, Any] = EMPTY
    bundle: Bundle | None = None
    device: str = "cpu"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """What a task chose on this machine where its options leave something open.

    `options` go over those of the configuration when it is loaded; `why` is a sentence for people.
    """

    options: Mapping[str, str]
    why: str


# ------------------------------------------------------------------ training


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text: a label for the whole, or spans (score 1.0) for a task that marks stretches."""

    text: str
    label: str | None = None
    spans: tuple[Span, ...] | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class TrainingSets:
    """Labelled examples, split so that near-duplicates stay on one side. `labels` is sorted."""

    train: tuple[Example, ...]
    evaluation: tuple[Example, ...]
    test: tuple[Example, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainSetup:
    """How to train: `options` are the recipe's (epochs, learning_rate, …), `folder` takes checkpoints and results.

    `saved` is to be called, by one process, whenever a checkpoint in `folder` has become whole.
    """

    task: str
    folder: Path
    base_model: str
    options: Mapping[str, Any] = EMPTY
    seed: int = 42
    resume: bool = False
    saved: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class TextLengths:
    """How long texts are in a task's tokens, markers included, in the texts' order.

    `window` is the most that the model takes at once; a longer text is learnt from, and answered, in windows.
    """

    tokens: tuple[int, ...]
    window: int


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A finished model: the files that belong in its bundle and what the manifest says about it.

    `files` maps names inside the bundle to where they lie now, `requires` those of files that other bundles have, too.
    `manifest` holds labels, max_length, temperature, thresholds, metrics, base_model and base_sha256, options, examples
    (known answers), libraries. `report` is Markdown.
    """

    files: Mapping[str, Path]
    manifest: Mapping[str, Any]
    report: str
    requires: Mapping[str, Path] = EMPTY


# ------------------------------------------------------------------ measuring


@dataclass(frozen=True, slots=True)
class Trial:
    """A model's answers to labelled texts, one each, in order; `model` is its name, `bundle` where it lies."""

    model: str
    examples: tuple[Example, ...]
    answers: tuple[Annotation, ...]
    bundle: Bundle | None = None


@dataclass(frozen=True, slots=True)
class ReportSetup:
    """How to report: `folder` takes the plots; without `texts` no word of the data may appear."""

    folder: Path
    texts: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """A report as Markdown, and where the PNG files lie that it shows, by the names that it shows them under."""

    markdown: str
    plots: Mapping[str, Path] = EMPTY
