"""What is read: records, where they come from, and what reading them may cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from classifyd.values.empty import EMPTY


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
