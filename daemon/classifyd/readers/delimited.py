"""Tables of delimited text (RFC 4180 and its kin): rows with quoted newlines, their dialect and header found out."""

import csv
import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from classifyd.api import Cut, Fault, Record, Source
from classifyd.readers import quoting
from classifyd.readers.dialect import Table, examine
from classifyd.readers.encoding import decode, head, refuse_binary, transcoded, wide
from classifyd.readers.fields import from_row
from classifyd.readers.growth import Growth
from classifyd.readers.lines import PIECE_BYTES

SHOWN_CHARS = 200


@dataclass(frozen=True, slots=True)
class DelimitedReader:
    """One record a row; blank lines are neither read nor counted.

    A row with too few cells has None in the missing ones, and is an error only if the text is among them. A row with
    more cells than columns, unless they are empty, is an error that keeps them in `meta["cells"]`.
    """

    name: str = "csv"
    suffixes: tuple[str, ...] = (".csv", ".tsv", ".tab")

    def read(self, source: Source, cut: Cut | None) -> Iterator[Record]:
        """The records of all rows or of a cut's."""
        stream, encoding = _narrow(source, cut)
        table = Table(**cut.context["table"]) if cut else examine(source, head(stream))
        first, end = 0, None
        if cut is None or encoding:
            _skip(stream, table.skip)
        else:
            stream.seek(cut.start)
            first, end = cut.first, cut.end
        limit = source.limits.record_bytes
        lines = _Lines(quoting.rows(stream, end, table.syntax, limit), table.encoding)
        yield from _records(lines, table, first, limit, Growth(source, table.columns))

    def cut(self, source: Source, size: int) -> Iterator[Cut]:
        """Ranges of bytes that end with a row; an input in UTF-16 or UTF-32 is one."""
        stream, encoding = _narrow(source, None)
        table = examine(source, head(stream))
        context = {"table": asdict(table), "wide": encoding}
        if encoding:
            yield Cut(0, 0, 0, context)
            return
        _skip(stream, table.skip)
        first = 0
        for start, end, count in quoting.cut_rows(stream, size, table.syntax, source.limits.record_bytes):
            yield Cut(start, end, first, context)
            first += count


def _narrow(source: Source, cut: Cut | None) -> tuple[BinaryIO, str | None]:
    """The input as bytes of which every ASCII character is one, and its encoding if that had to be changed."""
    if cut is None:
        refuse_binary(source)
    encoding = cut.context["wide"] if cut else wide(head(source.stream))
    return (transcoded(source.stream, encoding), encoding) if encoding else (source.stream, None)


def _skip(stream: BinaryIO, size: int) -> None:
    while size > 0:
        size -= len(stream.read(min(size, PIECE_BYTES))) or size


def _records(lines: "_Lines", table: Table, index: int, limit: int, grown: Growth) -> Iterator[Record]:
    parser = quoting.parser(lines, table.syntax)
    while lines.advance():
        grown.add(rows=1, taken=lines.size)
        try:
            cells = next(parser)
        except csv.Error as error:
            yield _broken(
                table, index, Fault("UnreadableFile", f"the row cannot be parsed ({error}); mend it"), lines.text
            )
        else:
            yield _broken(table, index, lines.fault, lines.text) if lines.fault else _record(table, index, cells, limit)
        index += 1


class _Lines:
    """Rows as text for the csv module, which may ask for one only after each `advance`.

    So a row that it takes for unfinished is an error of that row, and never swallows the next.
    """

    def __init__(self, rows: Iterator[quoting.Row], encoding: str) -> None:
        self._rows = rows
        self._encoding = encoding
        self._asked = False
        self.size = 0
        self.text = ""
        self.fault: Fault | None = None

    def advance(self) -> bool:
        """Go to the next row; False at the end."""
        row = next(self._rows, None)
        if row is None:
            return False
        self._asked = False
        self.size = row.size
        self.fault = row.fault
        self.text = decode(row.data, self._encoding) if row.data else ""
        return True

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self._asked:
            raise csv.Error("a quoted cell is not closed")
        self._asked = True
        # The parser gets a row that cannot upset it in place of one that would.
        return "-" if self.fault else self.text


def _record(table: Table, index: int, cells: list[str], limit: int) -> Record:
    columns = table.columns
    if len(cells) > len(columns):
        if any(cells[len(columns) :]):
            message = f"the row has {len(cells)} cells, the table {len(columns)} columns; quote or escape the delimiter"
            return _broken(table, index, Fault("UnreadableFile", message), "", cells)
        del cells[len(columns) :]
    row: dict[str, Any] = dict(itertools.zip_longest(columns, cells))
    if row[table.column] is None:
        message = f"the row ends after {len(cells)} of {len(columns)} cells, before the text's; mend it"
        return _broken(table, index, Fault("UnreadableFile", message), "", cells)
    return from_row(row, table.column, index, limit)


def _broken(table: Table, index: int, fault: Fault, line: str, cells: list[str] | None = None) -> Record:
    """A record with an error that has all columns, so that it fits among its neighbours."""
    row: dict[str, Any] = dict(itertools.zip_longest(table.columns, (cells or [])[: len(table.columns)]))
    meta: dict[str, Any] = {key: value for key, value in row.items() if key != table.column}
    meta |= {"line": line[:SHOWN_CHARS]} if cells is None else {"cells": cells}
    return Record("", index, meta, row, fault)
