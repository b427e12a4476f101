"""Where a row of delimited text ends: at a line's end that lies in no quoted cell.

The rules are those of Python's csv module: a quote opens a cell only as its first character, a doubled quote inside
stands for one, and what follows a closing quote is taken as it is. Reading and cutting share this module, so that
they cannot disagree.
"""

import csv
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO

from classifyd.api import Fault
from classifyd.readers.fields import too_long
from classifyd.readers.lines import PIECE_BYTES, lines

# The csv module's own bound of 128 KiB would fail on a long text; limits.record_bytes bounds rows here.
csv.field_size_limit(sys.maxsize)
NEVER_CLOSED = Fault("UnreadableFile", "a quote opens a cell here and never closes it; double it or remove it")


@dataclass(frozen=True, slots=True)
class Syntax:
    """The delimiter of cells, and whether quotes mean anything."""

    delimiter: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A row's bytes with its line ending, how many it had, and what is wrong with it."""

    data: bytes | None
    size: int
    fault: Fault | None = None


def parser(found: Iterable[str], syntax: Syntax) -> Iterator[list[str]]:
    """The csv module's reader for the cells of rows."""
    return csv.reader(found, delimiter=syntax.delimiter, quoting=csv.QUOTE_MINIMAL if syntax.quoted else csv.QUOTE_NONE)


def is_blank(line: bytes) -> bool:
    """Whether a line outside of quotes is no row."""
    return not line.strip(b" \r\n")


def rows(stream: BinaryIO, end: int | None, syntax: Syntax, limit: int) -> Iterator[Row]:
    """The rows from the stream's position up to the offset `end` (None for all), blank lines left out."""
    for row in _rows(lines(stream, end, limit), syntax, limit):
        if row.data is None or row.fault or not is_blank(row.data):
            yield row


def _rows(found: Iterator[bytes | int], syntax: Syntax, limit: int) -> Iterator[Row]:
    """Every row, blank lines too."""
    for line in found:
        if isinstance(line, int):
            yield Row(None, line, too_long(limit))
        elif not syntax.quoted or b'"' not in line or not opens(line, syntax.delimiter):
            yield Row(line, len(line))
        else:
            yield _quoted(line, found, syntax, limit)


def _quoted(line: bytes, more: Iterator[bytes | int], syntax: Syntax, limit: int) -> Row:
    """The row that begins with a line whose last cell is open, joined with the lines up to the one that closes it."""
    held, size = [line], len(line)
    for following in more:
        if isinstance(following, int):
            return Row(line, size + following, too_long(limit))
        size += len(following)
        if size <= limit:
            held.append(following)
        if b'"' in following and not stays_open(following, syntax.delimiter):
            if size > limit:
                return Row(line, size, too_long(limit))
            return Row(b"".join(held), size)
    return Row(line, size, NEVER_CLOSED)


def opens(line: bytes, delimiter: str) -> bool:
    """Whether a line that begins a row ends inside of a quoted cell."""
    return _patterns(delimiter).open.match(line) is not None


def stays_open(line: bytes, delimiter: str) -> bool:
    """Whether a line that begins inside of a quoted cell ends inside of one."""
    patterns = _patterns(delimiter)
    closed = patterns.inside.match(line)
    if closed is None:
        return True
    return line.endswith(delimiter.encode(), 0, closed.end()) and patterns.open.match(line, closed.end()) is not None


@dataclass(frozen=True, slots=True)
class _Patterns:
    """What the beginning of a line is matched with.

    `open`: whole cells, then one that is quoted to the line's end. `inside`: a quoted cell's rest with its delimiter.
    `run`: as many rows of one line each as there are. `row`: one row of any number of lines.
    """

    open: re.Pattern[bytes]
    inside: re.Pattern[bytes]
    run: re.Pattern[bytes]
    row: re.Pattern[bytes]


@cache
def _patterns(delimiter: str) -> _Patterns:
    mark = re.escape(delimiter.encode())
    # Possessive throughout: nothing is tried twice, so that no line can take time in the square of its length.
    cell = rb'(?:"[^"%(n)s]*+(?:""[^"%(n)s]*+)*+"(?!")[^%(d)s%(n)s]*+|[^"%(d)s%(n)s][^%(d)s%(n)s]*+|)'
    # A cell of `row` may hold line ends between its quotes, and not elsewhere.
    long_cell = cell.replace(b'[^"%(n)s]', b'[^"]') % {b"d": mark, b"n": rb"\n"}
    any_cell = cell % {b"d": mark, b"n": b""}
    short_cell = cell % {b"d": mark, b"n": rb"\n"}
    return _Patterns(
        re.compile(rb'(?:%s%s)*+"[^"]*+(?:""[^"]*+)*+\Z' % (any_cell, mark)),
        re.compile(rb'[^"]*+(?:""[^"]*+)*+"(?!")[^%s]*+(?:%s|\Z)' % (mark, mark)),
        re.compile(rb"(?:(?:%s%s)*+%s\n)*+" % (short_cell, mark, short_cell)),
        re.compile(rb"(?:%s%s)*+%s\n" % (long_cell, mark, long_cell)),
    )


def cut_rows(stream: BinaryIO, size: int, syntax: Syntax, limit: int) -> Iterator[tuple[int, int, int]]:
    """Ranges (start, end, records) of whole rows, of about `size` bytes each."""
    start = stream.tell()
    while True:
        end, count = _advance(stream, start, size, syntax, limit)
        if end == start:
            return
        yield start, end, count
        start = end


def _advance(stream: BinaryIO, start: int, size: int, syntax: Syntax, limit: int) -> tuple[int, int]:
    """Pass over about `size` bytes of rows; tell the offset where they end and how many there were."""
    position, count = start, 0
    while position - start < size:
        block = stream.read(min(PIECE_BYTES, size - (position - start)))
        block += _tail(stream, block, limit)
        if not block:
            break
        if len(block) <= limit and (b'"' not in block or not syntax.quoted):
            count += _lines_in(block)
            position += len(block)
            continue
        position, more = _walk(stream, position, block, syntax, limit)
        count += more
    return position, count


def _tail(stream: BinaryIO, block: bytes, limit: int) -> bytes:
    """What the block's last line lacks; of a line over the limit only as much as shows that it is."""
    return b"" if not block or block.endswith(b"\n") else stream.readline(limit + 2)


def _lines_in(block: bytes) -> int:
    return sum(1 for line in block.split(b"\n") if not is_blank(line))


def _walk(stream: BinaryIO, start: int, block: bytes, syntax: Syntax, limit: int) -> tuple[int, int]:
    """Pass over the rows that begin in a block; tell where they end and how many there were."""
    at, count = _simple(block, syntax) if len(block) <= limit and syntax.quoted else (0, 0)
    stream.seek(start + at)
    for row in _rows(lines(stream, None, limit), syntax, limit) if at < len(block) else ():
        count += row.data is None or row.fault is not None or not is_blank(row.data)
        at += row.size
        if at >= len(block):
            break
    return start + at, count


def _simple(block: bytes, syntax: Syntax) -> tuple[int, int]:
    """How far the rows go that end in this block, and how many they are: what `_rows` would find, found fast."""
    patterns = _patterns(syntax.delimiter)
    at = count = 0
    while True:
        run = patterns.run.match(block, at)
        if run and run.end() > at:
            count += _lines_in(block[at : run.end()])
            at = run.end()
        row = patterns.row.match(block, at)
        if row is None:
            return at, count
        at = row.end()
        count += 1
