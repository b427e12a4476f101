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
    cells, _, rest = _patterns(delimiter)
    at = cells.match(line)
    assert at is not None
    return rest.fullmatch(line, at.end()) is not None


def stays_open(line: bytes, delimiter: str) -> bool:
    """Whether a line that begins inside of a quoted cell ends inside of one."""
    cells, inside, rest = _patterns(delimiter)
    closed = inside.match(line)
    if closed is None:
        return True
    if closed.end() == len(line) or line[closed.end() - 1 : closed.end()] != delimiter.encode():
        return False
    at = cells.match(line, closed.end())
    assert at is not None
    return rest.fullmatch(line, at.end()) is not None


@cache
def _patterns(delimiter: str) -> tuple[re.Pattern[bytes], re.Pattern[bytes], re.Pattern[bytes]]:
    """Whole cells from a cell's beginning; the rest of a quoted cell with its delimiter; a cell left open."""
    mark = re.escape(delimiter.encode())
    cell = rb'(?:"(?:[^"]|"")*+"(?!")[^%(d)s]*+|[^"%(d)s][^%(d)s]*+|)%(d)s' % {b"d": mark}
    inside = rb'(?:[^"]|"")*+"(?!")[^%(d)s]*+(?:%(d)s|\Z)' % {b"d": mark}
    return re.compile(rb"(?:%s)*+" % cell), re.compile(inside), re.compile(rb'"(?:[^"]|"")*+')


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
            found = [line for line in block.split(b"\n") if not is_blank(line)]
            count += len(found)
            position += len(block)
            continue
        stream.seek(position)
        position, more = _walk(stream, position, len(block), syntax, limit)
        count += more
    return position, count


def _tail(stream: BinaryIO, block: bytes, limit: int) -> bytes:
    """What the block's last line lacks; of a line over the limit only as much as shows that it is."""
    return b"" if not block or block.endswith(b"\n") else stream.readline(limit + 2)


def _walk(stream: BinaryIO, position: int, size: int, syntax: Syntax, limit: int) -> tuple[int, int]:
    """Pass over at least `size` bytes row by row."""
    count, end = 0, position + size
    for row in _rows(lines(stream, None, limit), syntax, limit):
        count += row.data is None or row.fault is not None or not is_blank(row.data)
        position += row.size
        if position >= end:
            break
    return position, count
