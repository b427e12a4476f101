"""Which column of a row holds its text, and the record that a row makes."""

from collections.abc import Iterable, Mapping
from typing import Any

from classifyd.api import Fault, Record, UnreadableFile
from classifyd.readers.encoding import fit

TEXT_NAMES = (
    "text", "message", "body", "content", "sms", "v2", "msg", "review", "comment", "tweet", "post", "sentence",
    "document", "abstract", "description", "utterance", "question", "query", "headline", "title",
)  # fmt: skip
SET_IT = "set text_field of the inbox to one of:"
"""What an operator does about a table whose text is not found; whoever reads in another way says it in another way."""

PLACE = {name: place for place, name in enumerate(TEXT_NAMES)}


def guess(columns: Iterable[str]) -> str | None:
    """The column whose name is the first of TEXT_NAMES, in whatever case; None if none is."""
    known = [(PLACE[key], column) for column in columns if (key := column.strip().lower()) in PLACE]
    return min(known)[1] if known else None


def choose_column(columns: list[str], text_field: str | None, name: str) -> str:
    """The text's column of a table. UnreadableFile naming the columns there are if it has none."""
    if text_field is not None:
        if text_field in columns:
            return text_field
        raise UnreadableFile(f"{name}: has no column {text_field!r}; {_set_it(columns)}")
    found = columns[0] if len(columns) == 1 else guess(columns)
    if found is None:
        raise UnreadableFile(f"{name}: which column holds the text? {_set_it(columns)}")
    return found


def _set_it(columns: list[str]) -> str:
    shown = ", ".join(repr(column[:60]) for column in columns[:50])
    return f"{SET_IT} {shown or '(there are none)'}"


def as_text(value: Any, column: str) -> str | Fault:
    """A cell's text: strings as they are, numbers as they print; a Fault for what is no text."""
    if isinstance(value, str):
        return fit(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if value is None:
        return Fault("UnreadableFile", f"{column!r} is null; a text is needed there")
    return Fault("UnreadableFile", f"{column!r} holds {type(value).__name__}, not text; mend the row")


def from_row(row: Mapping[str, Any], column: str, index: int, limit: int) -> Record:
    """The record of a table's row; one with an error in its place if its cell is no text or too long."""
    meta = {key: value for key, value in row.items() if key != column}
    text = as_text(row.get(column), column)
    if isinstance(text, Fault):
        return Record("", index, meta, row, text)
    if over(text, limit):
        return Record("", index, meta, row, too_long(limit))
    return Record(text, index, meta, row)


def over(text: str, limit: int) -> bool:
    """Whether a text has more than `limit` bytes in UTF-8."""
    return len(text) > limit or (len(text) * 4 > limit and len(text.encode("utf-8", "replace")) > limit)


def too_long(limit: int) -> Fault:
    """The fault of a record over the limit."""
    return Fault(
        "LimitExceeded", f"the record has more than limits.record_bytes = {limit}; shorten it or raise the limit"
    )
