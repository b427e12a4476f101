"""All that a plugin imports: the values it needs, the protocols it keeps, and `hookimpl`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Protocol, runtime_checkable

import pluggy

from classifyd.errors import (
    BundleError,
    ClassifydError,
    ConfigError,
    LimitExceeded,
    PluginError,
    PredictionFailed,
    TrainingError,
    UnreadableFile,
)
from classifyd.processor import exact_int8
from classifyd.processor import features as cpu_features
from classifyd.processor import model as cpu_model
from classifyd.reports import Effort, FileReport, JobReport
from classifyd.values import (
    BLOBS,
    AnnotatedRecord,
    Annotation,
    Bundle,
    Choice,
    Cut,
    Example,
    Explanation,
    Fault,
    Label,
    Limits,
    ReadWindow,
    Record,
    Report,
    ReportSetup,
    Setup,
    Source,
    Span,
    TextLengths,
    TrainedModel,
    TrainingSets,
    TrainSetup,
    Trial,
    WriteOptions,
)

__all__ = [
    "BLOBS",
    "AnnotatedRecord",
    "Annotation",
    "Bundle",
    "BundleError",
    "ChecksRecipe",
    "Choice",
    "ChoosingTask",
    "ClassifydError",
    "ConfigError",
    "Cut",
    "CuttingReader",
    "Effort",
    "Example",
    "ExplainingPredictor",
    "Explanation",
    "Fault",
    "FileReport",
    "JobReport",
    "Label",
    "LimitExceeded",
    "Limits",
    "MeasuringTask",
    "PluginError",
    "PredictionFailed",
    "Predictor",
    "ReadWindow",
    "Reader",
    "Record",
    "Report",
    "ReportSetup",
    "ReportingTask",
    "Setup",
    "Source",
    "Span",
    "Task",
    "TextLengths",
    "TrainSetup",
    "TrainableTask",
    "TrainedModel",
    "TrainingError",
    "TrainingSets",
    "Trial",
    "UnreadableFile",
    "WriteOptions",
    "Writer",
    "cpu_features",
    "cpu_model",
    "exact_int8",
    "hookimpl",
]

hookimpl = pluggy.HookimplMarker("classifyd")
"""Marks a function of a plugin as one of the hooks of `classifyd.hookspecs`."""

Answer = Annotation | Sequence[Label] | Sequence[Span]
"""What a predictor may say of one record; bare labels or spans are wrapped into an Annotation."""


@runtime_checkable
class Predictor(Protocol):
    """A loaded task.

    It may also have `version: str` (shown as the model), `runtime: str` (what runs it) and `close() -> None`. And
    `effort() -> Effort`: what its model was run on since the last call (the sizes of its micro-batches, tokens,
    padding, unknown tokens), for the metrics.
    """

    def predict(self, records: Sequence[Record]) -> Sequence[Answer]:
        """One answer per record, in the same order. An exception is laid at the door of the records given."""
        ...


@runtime_checkable
class ExplainingPredictor(Predictor, Protocol):
    """A predictor that can say how it comes to an answer, for `classifyd explain`."""

    def explain(self, record: Record) -> Explanation:
        """How it answers one record, found out anew: `answer` is what `predict` says of it, to the last digit."""
        ...


@runtime_checkable
class Task(Protocol):
    """One thing decided about a record. `name` matches [a-z][a-z0-9_]* and is unique among installed plugins."""

    @property
    def name(self) -> str: ...

    def load(self, setup: Setup) -> Predictor:
        """A predictor ready for work, loaded once per worker. BundleError if its bundle is missing or unfit."""
        ...


@runtime_checkable
class ChoosingTask(Task, Protocol):
    """A task that can find out on each machine what some of its options should be there, such as the runtime.

    The daemon has it choose in one worker while no other works for it, keeps the choice, and then loads the task with
    it everywhere, now and after a restart. Until then, and where the choice cannot be kept, `load` has to do without.
    """

    def undecided(self, setup: Setup) -> str | None:
        """A name for all that a choice depends on: machine, bundle, versions, threads; None if nothing is left open.

        Under an equal name an earlier choice holds. Must be quick.
        """
        ...

    def choose(self, setup: Setup) -> Choice:
        """A choice, found by trying, within seconds. BundleError if the bundle is unfit whatever is chosen."""
        ...


@runtime_checkable
class TrainableTask(Task, Protocol):
    """A task that `classifyd train` can train. It may also have the method of ChecksRecipe."""

    def train(self, sets: TrainingSets, setup: TrainSetup) -> TrainedModel | None:
        """A finished model, not yet published; None in a process that only helped another to train (torchrun).

        TrainingError if the data or the result is not fit.
        """
        ...


@runtime_checkable
class ChecksRecipe(Protocol):
    """A task that can tell before it reads any data whether the options of a training can be followed."""

    def recipe_faults(self, options: Mapping[str, Any]) -> Sequence[str]:
        """A sentence for each fault, beginning with the option's name. Must be quick and import little."""
        ...


@runtime_checkable
class ReportingTask(Task, Protocol):
    """A task that can say more of its answers to labelled texts than figures: what `evaluate --report` writes."""

    def report(self, trial: Trial, setup: ReportSetup) -> Report:
        """A report of what the answers are worth. TrainingError if something that it takes is not installed."""
        ...


@runtime_checkable
class MeasuringTask(TrainableTask, Protocol):
    """A trainable task that can also tell how long texts are to it, for `classifyd train --check-data`."""

    def measure(self, texts: Sequence[str], setup: TrainSetup) -> TextLengths:
        """The texts' lengths under the tokenizer and recipe that `train` would use, without loading a model.

        TrainingError if `train` could not even begin: no such base model, a setting that cannot be.
        """
        ...


@runtime_checkable
class Reader(Protocol):
    """Turns inputs of some suffixes (with their dot, lower case) into records."""

    @property
    def name(self) -> str: ...

    @property
    def suffixes(self) -> tuple[str, ...]: ...

    def read(self, source: Source, cut: Cut | None) -> Iterator[Record]:
        """The records of the whole input (cut is None) or of one range, in order, indices counted from its first.

        A bad row is yielded as a Record with an error; UnreadableFile is for an input that makes no sense as a whole.
        """
        ...


@runtime_checkable
class CuttingReader(Reader, Protocol):
    """A reader whose inputs can be cut into ranges that are read independently."""

    def cut(self, source: Source, size: int) -> Iterator[Cut]:
        """Ranges of about `size` bytes that together give the same records as the whole, in order."""
        ...


@runtime_checkable
class Writer(Protocol):
    """Writes annotated records in one format; `.<format>` is appended to the input's name."""

    @property
    def format(self) -> str: ...

    def write(self, records: Iterable[AnnotatedRecord], stream: BinaryIO, options: WriteOptions) -> None:
        """Write a file that is whole in itself; the caller flushes, fsyncs and closes the stream."""
        ...

    def assemble(self, parts: Iterable[BinaryIO], stream: BinaryIO) -> None:
        """Write one file from several that `write` wrote, in order: as if all had been written at once.

        Each part is open until the next one is asked for.
        """
        ...
