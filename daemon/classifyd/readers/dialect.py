"""What a table of delimited text is like, told from its beginning: delimiter, quotes, header, the text's column."""

import codecs
import csv
import io
from dataclasses import dataclass
from pathlib import PurePath
from statistics import mean

from classifyd.api import Source, UnreadableFile
from classifyd.readers import quoting
from classifyd.readers.encoding import SAMPLE_BYTES, decode, foreign
from classifyd.readers.fields import choose_column, guess
from classifyd.readers.growth import check_columns
from classifyd.readers.quoting import Syntax, parser

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_ROWS = 100
# Below this share of rows as wide as the first, a delimiter is taken for punctuation.
STEADY_SHARE = 0.5
# No text has it: what cannot be told apart into cells is one column.
NO_DELIMITER = "\x1f"


@dataclass(frozen=True, slots=True)
class Table:
    """How to read a table's rows. `skip` is how many bytes of header come before the first."""

    delimiter: str
    quoted: bool
    columns: list[str]
    column: str
    skip: int
    encoding: str

    @property
    def syntax(self) -> Syntax:
        """What decides where a row ends."""
        return Syntax(self.delimiter, self.quoted)


@dataclass(frozen=True, slots=True)
class _Guess:
    """One way to read the sample, and how well it fits: the share of rows with as many cells as the first."""

    delimiter: str
    quoted: bool
    rows: list[list[str]]
    share: float
    first_bytes: int


def examine(source: Source, sample: bytes) -> Table:
    """The table that a sample begins. UnreadableFile if it has no rows, no cells or no column for the text.

    LimitExceeded if it has too many columns.
    """
    mark = codecs.BOM_UTF8 if sample.startswith(codecs.BOM_UTF8) else b""
    encoding = foreign(sample)
    guessed = _best(_Sample(sample[len(mark) :], encoding, len(sample) < SAMPLE_BYTES), source)
    if not guessed.rows:
        raise UnreadableFile(f"{source.name}: holds no row; nothing can be read from it")
    if not guessed.rows[0]:
        raise UnreadableFile(
            f"{source.name}: a carriage return stands alone in the first row; end lines with LF or CRLF, "
            "or put the cell that it belongs to in quotes"
        )
    check_columns(len(guessed.rows[0]), source.name)
    if _has_header(guessed.rows, source.text_field):
        columns = _unique(guessed.rows[0])
        column = choose_column(columns, source.text_field, source.name)
        return Table(guessed.delimiter, guessed.quoted, columns, column, len(mark) + guessed.first_bytes, encoding)
    columns = [f"column_{number}" for number in range(1, len(guessed.rows[0]) + 1)]
    column = choose_column(columns, source.text_field or _longest(guessed.rows, columns), source.name)
    return Table(guessed.delimiter, guessed.quoted, columns, column, len(mark), encoding)


@dataclass(frozen=True, slots=True)
class _Sample:
    """The beginning of a table; `whole` if it is all of it."""

    data: bytes
    encoding: str
    whole: bool


def _best(sample: _Sample, source: Source) -> _Guess:
    """The likeliest way to read the sample; that of the suffix among equals."""
    usual = "\t" if PurePath(source.name).suffix.lower() in {".tsv", ".tab"} else ","
    order = [usual, *(mark for mark in DELIMITERS if mark != usual)]
    tries = [_try(sample, Syntax(mark, quoted=True)) for mark in order]
    # Tab-separated text often has quotes that are only characters.
    tries.append(_try(sample, Syntax("\t", quoted=False)))
    fitting = [one for one in tries if one.rows and len(one.rows[0]) > 1]
    named = [one for one in fitting if _names_text(one.rows[0], source.text_field)]
    steady = [one for one in fitting if one.share >= STEADY_SHARE]
    return max(named or steady, key=lambda one: one.share, default=_try(sample, Syntax(NO_DELIMITER, quoted=True)))


def _try(sample: _Sample, syntax: Syntax) -> _Guess:
    """The sample's rows read one way."""
    stream = io.BytesIO(sample.data)
    rows: list[list[str]] = []
    first_bytes = 0
    for row in quoting.rows(stream, None, syntax, len(sample.data)):
        if len(rows) > SAMPLE_ROWS or (rows and not sample.whole and stream.tell() == len(sample.data)):
            break
        first_bytes = first_bytes or stream.tell()
        rows.append(_cells(decode(row.data or b"", sample.encoding), syntax))
    width = len(rows[0]) if rows else 0
    share = sum(len(row) == width for row in rows) / max(1, len(rows))
    return _Guess(syntax.delimiter, syntax.quoted, rows, share, first_bytes)


def _cells(row: str, syntax: Syntax) -> list[str]:
    try:
        return next(parser([row], syntax), [])
    except csv.Error:
        return []


def _names_text(row: list[str], text_field: str | None) -> bool:
    return text_field in row if text_field is not None else guess(row) is not None


def _has_header(rows: list[list[str]], text_field: str | None) -> bool:
    first, others = rows[0], rows[1:]
    if _names_text(first, text_field):
        return True
    if any(_is_number(cell) or len(cell) > 60 for cell in first) or len(set(first)) < len(first):
        return False
    return _numbers_below(first, others) or not others or _shorter(first, others)


def _numbers_below(first: list[str], others: list[list[str]]) -> bool:
    """Whether some column holds numbers in every row but the first."""
    columns = range(len(first))
    return bool(others) and any(all(_is_number(row[at]) for row in others if at < len(row)) for at in columns)


def _shorter(first: list[str], others: list[list[str]]) -> bool:
    """Whether the first row is like names and much shorter than the rows below."""
    return sum(map(len, first)) * 3 < mean(sum(map(len, row)) for row in others)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _longest(rows: list[list[str]], columns: list[str]) -> str:
    """Without a header the text is taken to be in the column with the most of it."""
    sums = [sum(len(row[at]) for row in rows if at < len(row)) for at in range(len(columns))]
    return columns[sums.index(max(sums))]


def _unique(names: list[str]) -> list[str]:
    """Column names, empty ones and doubles told apart by their place."""
    told: list[str] = []
    seen: set[str] = set()
    for place, name in enumerate(names, 1):
        column = name or f"column_{place}"
        while column in seen:
            column += f"_{place}"
        seen.add(column)
        told.append(column)
    return told
