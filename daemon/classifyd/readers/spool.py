"""Records set down as JSON lines, so that an input that cannot be cut is read once and then shared out."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from classifyd.api import Cut, Fault, Record, Source, UnreadableFile

NAME = "spool"


@dataclass(frozen=True, slots=True)
class SpoolReader:
    """Reads what `write` wrote."""

    name: str = NAME
    suffixes: tuple[str, ...] = (".spool",)

    def read(self, source: Source, cut: Cut | None) -> Iterator[Record]:
        """The records of a cut, or all, as they were."""
        if cut is not None:
            source.stream.seek(cut.start)
        left = cut.end - cut.start if cut else None
        while left is None or left > 0:
            line = source.stream.readline()
            if not line:
                return
            yield _record(line, source.name)
            left = None if left is None else left - len(line)


def write(records: Iterable[Record], stream: BinaryIO, size: int) -> Iterator[Cut]:
    """Write every record and yield ranges of about `size` bytes as they fill."""
    start = end = 0
    first: int | None = None
    for record in records:
        first = record.index if first is None else first
        line = _line(record)
        stream.write(line)
        end += len(line)
        if end - start >= size:
            yield Cut(start, end, first)
            start, first = end, None
    if first is not None:
        yield Cut(start, end, first)


def _line(record: Record) -> bytes:
    fields: list[Any] = [record.text, record.index, dict(record.meta), None, None]
    if record.row is not None:
        # As pairs: a dict would do, but its keys need not be strings.
        fields[3] = list(record.row.items())
    if record.error is not None:
        fields[4] = [record.error.type, record.error.message]
    # ASCII only: JSON's escapes carry half surrogates that UTF-8 cannot.
    return json.dumps(fields, ensure_ascii=True, default=str).encode() + b"\n"


def _record(line: bytes, name: str) -> Record:
    try:
        text, index, meta, row, error = json.loads(line)
    except ValueError as damage:
        raise UnreadableFile(
            f"{name}: the spool is damaged ({damage}); remove it and the input is read again"
        ) from damage
    return Record(text, index, meta, None if row is None else dict(row), Fault(*error) if error else None)
