"""JSON Lines: an object or a string a line, each line by itself."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from classifyd.api import Cut, Fault, Record, Source
from classifyd.readers.encoding import SAMPLE_BYTES, decode, foreign, head, refuse_binary, transcoded, wide
from classifyd.readers.fields import as_text, choose_column, guess, over, too_long
from classifyd.readers.lines import cut_lines, is_blank, lines

SHOWN_CHARS = 200
KINDS = {type(None): "null", bool: "true or false", list: "an array"}


@dataclass(frozen=True, slots=True)
class JsonLinesReader:
    """One record a line; blank lines are neither read nor counted."""

    name: str = "jsonl"
    suffixes: tuple[str, ...] = (".jsonl", ".ndjson")

    def read(self, source: Source, cut: Cut | None) -> Iterator[Record]:
        """The records of all lines or of a cut's. A line that is no record becomes one with an error."""
        context = cut.context if cut else examine(source)
        stream, end = _positioned(source.stream, cut, context)
        index = cut.first if cut else 0
        limit = source.limits.record_bytes
        for data in lines(stream, end, limit):
            if isinstance(data, int):
                yield Record("", index, error=too_long(limit))
            elif is_blank(data):
                continue
            else:
                yield from_json(_parsed(data, context["encoding"]), index, source.text_field, limit)
            index += 1

    def cut(self, source: Source, size: int) -> Iterator[Cut]:
        """Ranges of bytes that end with a line; an input in UTF-16 or UTF-32 is one."""
        context = examine(source)
        if context["wide"]:
            yield Cut(0, 0, 0, context)
            return
        first = 0
        for start, end, count in cut_lines(source.stream, size, is_blank):
            yield Cut(start, end, first, context)
            first += count


def examine(source: Source) -> Mapping[str, Any]:
    """What every range must know: the encodings. UnreadableFile if no row of the beginning has the text's field."""
    refuse_binary(source)
    sample = head(source.stream)
    context = {"encoding": foreign(sample), "wide": wide(sample)}
    _check_field(sample, source)
    return context


def _check_field(sample: bytes, source: Source) -> None:
    """A field that no row has is a mistake in the config, not a fault of each row."""
    rows = [_parsed(line, "cp1252") for line in sample.split(b"\n") if len(line) < SAMPLE_BYTES]
    objects = [row for row in rows if isinstance(row, dict)]
    if objects and all(_column(row, source.text_field) is None for row in objects):
        columns = list(dict.fromkeys(key for row in objects for key in row))
        choose_column(columns if len(columns) != 1 else [*columns, ""], source.text_field, source.name)


def _positioned(stream: BinaryIO, cut: Cut | None, context: Mapping[str, Any]) -> tuple[BinaryIO, int | None]:
    if context["wide"]:
        return transcoded(stream, context["wide"]), None
    if cut is None:
        return stream, None
    stream.seek(cut.start)
    return stream, cut.end


def _parsed(data: bytes, encoding: str) -> Any:
    """The line's value, or a Fault."""
    line = decode(data, encoding).strip().lstrip("\ufeff")
    try:
        return json.loads(line)
    except RecursionError:
        return Fault("UnreadableFile", f"the line nests too deeply to be read: {line[:SHOWN_CHARS]!r}")
    except ValueError as error:
        return Fault("UnreadableFile", f"the line is not JSON ({error}): {line[:SHOWN_CHARS]!r}; mend it")


def from_json(value: Any, index: int, text_field: str | None, limit: int) -> Record:
    """The record of one JSON value: an object with a text in it, or a string."""
    if isinstance(value, Fault):
        return Record("", index, error=value)
    if isinstance(value, str):
        return _record(value, "", index, {}, limit)
    if not isinstance(value, dict):
        kind = KINDS.get(type(value), "a number")
        return Record("", index, error=Fault("UnreadableFile", f"is {kind}; an object or a string is needed"))
    column = _column(value, text_field)
    if column is None:
        shown = ", ".join(repr(key[:60]) for key in list(value)[:50]) or "none"
        wanted = repr(text_field) if text_field is not None else "for the text"
        return Record("", index, value, error=Fault("UnreadableFile", f"has no field {wanted}; it has: {shown}"))
    meta = {key: item for key, item in value.items() if key != column}
    return _record(value[column], column, index, meta, limit)


def _record(value: Any, column: str, index: int, meta: Mapping[str, Any], limit: int) -> Record:
    text = as_text(value, column)
    if isinstance(text, Fault):
        return Record("", index, meta, error=text)
    return Record("", index, meta, error=too_long(limit)) if over(text, limit) else Record(text, index, meta)


def _column(row: Mapping[str, Any], text_field: str | None) -> str | None:
    if text_field is not None:
        return text_field if text_field in row else None
    return guess(row)
