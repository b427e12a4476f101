"""All that a plugin imports: the values it needs, the protocols it keeps, and `hookimpl`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Protocol, runtime_checkable

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
from classifyd.jobs import FileReport, JobReport
from classifyd.values import (
    AnnotatedRecord,
    Annotation,
    Bundle,
    Cut,
    Example,
    Fault,
    Label,
    Limits,
    Record,
    Setup,
    Source,
    Span,
    TextLengths,
    TrainedModel,
    TrainingSets,
    TrainSetup,
    WriteOptions,
)

__all__ = [
    "AnnotatedRecord",
    "Annotation",
    "Bundle",
    "BundleError",
    "ClassifydError",
    "ConfigError",
    "Cut",
    "CuttingReader",
    "Example",
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
    "Reader",
    "Record",
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
    "UnreadableFile",
    "WriteOptions",
    "Writer",
    "hookimpl",
]

hookimpl = pluggy.HookimplMarker("classifyd")
"""Marks a function of a plugin as one of the hooks of `classifyd.hookspecs`."""

Answer = Annotation | Sequence[Label] | Sequence[Span]
"""What a predictor may say of one record; bare labels or spans are wrapped into an Annotation."""


@runtime_checkable
class Predictor(Protocol):
    """A loaded task. It may also have `version: str` (shown as the model) and `close() -> None`."""

    def predict(self, records: Sequence[Record]) -> Sequence[Answer]:
        """One answer per record, in the same order. An exception is laid at the door of the records given."""
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
class TrainableTask(Task, Protocol):
    """A task that `classifyd train` can train."""

    def train(self, sets: TrainingSets, setup: TrainSetup) -> TrainedModel:
        """A finished model, not yet published. TrainingError if the data or the result is not fit."""
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
        """Write one file from several that `write` wrote, in order: as if all had been written at once."""
        ...
