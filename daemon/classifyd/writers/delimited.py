"""CSV (RFC 4180, UTF-8, line feeds): a table answered in kind, or a plain table of records."""

import csv
import io
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

from classifyd.api import AnnotatedRecord, WriteOptions
from classifyd.writers.columns import lay_out
from classifyd.writers.strict import dumps, plain

# The csv module's own bound of 128 KiB on a cell would fail on a long text.
csv.field_size_limit(sys.maxsize)
FORMULA = re.compile(r"[\t\r\n]|[\s\0\ufeff]*[=+\-@\uff0b\uff0d\uff1d\uff20]")
FORMULA_WITHIN = re.compile(r"([;|\t])(?=[^\S\t]*[=+\-@\uff0b\uff0d\uff1d\uff20])")
"""After what parts the columns of a spreadsheet of another country: to it a cell begins there, quotes or not."""
NUMBER = re.compile(r"[ \t]*[+-]?[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?[ \t]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class CsvWriter:
    """A header and a row for each record: the row's own columns, each task's, then classifyd_error."""

    format: str = "csv"
    suffix: str = ".csv"

    def write(self, records: Iterable[AnnotatedRecord], stream: BinaryIO, options: WriteOptions) -> None:
        """Write the header and every record; no record at all gives an empty file."""
        layout, every = lay_out(records, options)
        line = _Line(harmless if options.csv_formulas == "escape" else None)
        for number, annotated in enumerate(every):
            if number == 0:
                stream.write(line.of(layout.names))
            stream.write(line.of(layout.cells(annotated).values()))

    def assemble(self, parts: Iterable[BinaryIO], stream: BinaryIO) -> None:
        """Write the rows of every part below one header."""
        header: list[str] | None = None
        for part in parts:
            first = _header(part)
            if not first:
                continue
            names = next(csv.reader([first.decode()]))
            if header is None:
                header = names
                stream.write(first)
            if names == header:
                shutil.copyfileobj(part, stream, 2**20)
            else:
                _refit(part, names, header, stream)


def _header(part: BinaryIO) -> bytes:
    """The first row's bytes; a column's name may hold line ends."""
    data = part.readline()
    while data.count(b'"') % 2 and (more := part.readline()):
        data += more
    return data


def _refit(part: BinaryIO, names: list[str], header: list[str], stream: BinaryIO) -> None:
    """Write a part's rows under another part's columns.

    Parts differ where one knew nothing of a task but errors; the columns that another lacks are then empty.
    """
    line = _Line()
    with io.TextIOWrapper(part, encoding="utf-8", newline="") as text:
        for row in csv.reader(text):
            cells = dict(zip(names, row, strict=False))
            stream.write(line.of(cells.get(name) for name in header))


class _Line:
    """Cells to the bytes of one row."""

    def __init__(self, change: Callable[[Any], Any] | None = None) -> None:
        self._change = change
        self._buffer = io.StringIO(newline="")
        self._csv = csv.writer(self._buffer, lineterminator="\n")

    def of(self, cells: Iterable[Any]) -> bytes:
        """One row's bytes."""
        values = [_cell(cell) for cell in cells]
        self._csv.writerow(map(self._change, values) if self._change else values)
        data = plain(self._buffer.getvalue()).encode()
        self._buffer.seek(0)
        self._buffer.truncate()
        return data


def harmless(cell: Any) -> Any:
    """The cell, with an apostrophe before a text that a spreadsheet would take for a formula; numbers stay numbers.

    After https://owasp.org/www-community/attacks/CSV_Injection; blanks before the sign do not hide it, nor do the wide
    forms of the signs that East Asian input has.
    """
    if not isinstance(cell, str) or NUMBER.fullmatch(cell):
        return cell
    first = f"'{cell[:1]}" if FORMULA.match(cell) else ""
    return first + FORMULA_WITHIN.sub(r"\1'", cell[1:] if first else cell)


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, dict | list | tuple):
        return dumps(value)
    return value.hex() if isinstance(value, bytes) else str(value)
