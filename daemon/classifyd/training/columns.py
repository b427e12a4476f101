"""Which columns of labelled rows hold the label and where a text comes from, and what a row's label is."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from classifyd.errors import TrainingError
from classifyd.values import EMPTY, Span

LABEL_NAMES = (
    "label", "labels", "category", "class", "topic", "intent", "sentiment", "target", "tag", "type", "v1", "y", "spam",
    "class_index", "label_text",
)  # fmt: skip
SPAN_NAMES = ("spans", "entities", "ents", "annotations")
SOURCE_NAMES = ("source", "origin", "corpus")

_WHOLE = re.compile(r"(-?\d+)\.0+")


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns as given on the command line, None to guess; `mapping` turns labels of the data into those wanted."""

    text: str | None = None
    label: str | None = None
    mapping: Mapping[str, str] = EMPTY

    @classmethod
    def of(cls, text: str | None, label: str | None, mapping: str | None) -> "Columns":
        """From the command line's words; `mapping` is like "0=ham,1=spam". TrainingError if it is not."""
        pairs = [pair.partition("=") for pair in (mapping or "").split(",") if pair.strip()]
        wrong = next((name for name, equals, label in pairs if not (equals and name.strip() and label.strip())), None)
        if wrong is not None:
            raise TrainingError(f"--map {mapping}: {wrong!r} is no pair; write it like 0=ham,1=spam")
        return cls(text, label, {name.strip(): wanted.strip() for name, _, wanted in pairs})

    def mapped(self, label: str) -> str:
        """The label as it is wanted; a table of floating-point numbers writes 1 as 1.0, and means the same."""
        whole = _WHOLE.fullmatch(label)
        return self.mapping.get(label, self.mapping.get(whole[1], label) if whole else label)


def find(columns: Sequence[str], given: str | None, known: Iterable[str]) -> str | None:
    """The column of that name, or the first of the known names in whatever case; None if there is none."""
    if given is not None:
        return given if given in columns else None
    lower = {column.strip().lower(): column for column in reversed(columns)}
    return next((lower[name] for name in known if name in lower), None)


def label_of(row: Mapping[str, Any], column: str, where: str) -> str:
    """The row's label as text: 1 and 1.0 and "1 " are all "1". TrainingError if there is none."""
    value = row.get(column)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str | int | float) and str(value).strip():
        return str(value).strip()
    raise TrainingError(f"{where}: column {column!r} holds {value!r}, which is no label; mend the row or take it out")


def spans_of(value: Any, text: str, where: str) -> tuple[Span, ...]:
    """Spans from a list of {"start", "end", "label"} or [start, end, label]. TrainingError if one does not fit."""
    if not isinstance(value, list):
        raise TrainingError(f"{where}: spans must be a list, not {type(value).__name__}")
    spans = sorted((_span(one, text, where) for one in value), key=lambda span: span.start)
    for before, after in pairwise(spans):
        if after.start < before.end:
            raise TrainingError(f"{where}: spans {before.start}-{before.end} and {after.start}-{after.end} overlap")
    return tuple(spans)


def _span(value: Any, text: str, where: str) -> Span:
    try:
        parts = [value[name] for name in ("start", "end", "label")] if isinstance(value, Mapping) else list(value)
        start, end, label = int(parts[0]), int(parts[1]), str(parts[2])
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise TrainingError(f'{where}: {value!r} is no span; write {{"start", "end", "label"}}') from error
    if not 0 <= start < end <= len(text):
        raise TrainingError(f"{where}: span {start}-{end} does not lie within the text of {len(text)} characters")
    return Span(start, end, label, 1.0)
