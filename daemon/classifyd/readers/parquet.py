"""Parquet tables, through pyarrow, which is an extra."""

import base64
import itertools
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from classifyd.api import Cut, Record, Source, UnreadableFile
from classifyd.readers import rowgroups
from classifyd.readers.fields import choose_column, from_row
from classifyd.readers.growth import Growth, check_columns, json_bytes


@dataclass(frozen=True, slots=True)
class ParquetReader:
    """One record a row; ranges are of row groups."""

    name: str = "parquet"
    suffixes: tuple[str, ...] = (".parquet", ".pq")

    def read(self, source: Source, cut: Cut | None) -> Iterator[Record]:
        """The records of all row groups or of a cut's."""
        with _seekable(source.stream) as stream:
            file, grown = _open(stream, source)
            column = cut.context["column"] if cut else _column(file, source)
            groups = range(cut.start, cut.end) if cut else range(file.num_row_groups)
            rows = itertools.chain.from_iterable(_rows(file, group, stream, grown) for group in groups)
            for index, row in enumerate(_damage_told(rows, source.name), cut.first if cut else 0):
                record = from_row(row, column, index, source.limits.record_bytes)
                yield Record(record.text, index, _plain(record.meta), row, record.error)

    def cut(self, source: Source, size: int) -> Iterator[Cut]:
        """Runs of row groups of about `size` bytes; one row group is the least."""
        file, _ = _open(source.stream, source)
        context = {"column": _column(file, source)}
        start = first = count = held = 0
        for group in range(file.num_row_groups):
            if held >= size:
                yield Cut(start, group, first, context)
                start, first, count, held = group, first + count, 0, 0
            count += file.metadata.row_group(group).num_rows
            held += file.metadata.row_group(group).total_byte_size
        if count:
            yield Cut(start, file.num_row_groups, first, context)


@contextmanager
def _seekable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """The stream, or its copy in a temporary file: Parquet begins at its end."""
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as file:
        shutil.copyfileobj(stream, file, 2**20)
        yield file


def _open(stream: BinaryIO, source: Source) -> tuple[Any, Growth]:
    """The file, and what it grows to, once its columns and rows are known to be no more than it can honestly have."""
    file = _parsed(stream, source.name)
    check_columns(file.metadata.num_columns, source.name)
    place = stream.tell()
    grown = Growth(source, taken=max(1, stream.seek(0, 2)))
    stream.seek(place)
    grown.check_claim(file.metadata.num_rows, rowgroups.HARMLESS_ROWS, "rows")
    return file, grown


def _parsed(stream: BinaryIO, name: str) -> Any:
    try:
        from pyarrow import parquet  # noqa: PLC0415  # an extra, and slow to import: only where a Parquet file is
    except ImportError as error:
        raise UnreadableFile(f"{name}: Parquet needs pyarrow; run: pip install 'classifyd[parquet]'") from error
    try:
        return parquet.ParquetFile(stream, pre_buffer=False)
    except UnreadableFile:
        raise
    except Exception as error:  # pyarrow raises its own, OSError without errno, and more
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> UnreadableFile:
    if isinstance(error, UnreadableFile) or (isinstance(error, OSError) and error.errno):
        # A limit met while unpacking, or the disk's own trouble: neither says anything about the format.
        raise error
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return UnreadableFile(f"{name}: is no whole Parquet file ({reason}); send the file again")


def _column(file: Any, source: Source) -> str:
    return choose_column(list(file.schema_arrow.names), source.text_field, source.name)


def _damage_told(rows: Iterator[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    """The rows. UnreadableFile where they break off."""
    while True:
        try:
            row = next(rows, None)
        except Exception as error:  # likewise
            raise _damaged(name, error) from error
        if row is None:
            return
        yield row


def _rows(file: Any, group: int, stream: BinaryIO, grown: Growth) -> Iterator[dict[str, Any]]:
    """The rows of a group, read no more at a time than memory has room for."""
    found = file.metadata.row_group(group)
    rowgroups.check(found, grown)
    for batch in file.iter_batches(batch_size=rowgroups.batch_rows(found, stream), row_groups=[group]):
        grown.add(given=batch.nbytes)
        rows = batch.to_pylist()
        # Names are not in those bytes, nor how often an entry stands in a column that is kept as a dictionary.
        grown.add(given=max(0, json_bytes(rows) - batch.nbytes))
        yield from rows


def _plain(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _json(value) for key, value in meta.items()}


def _json(value: Any) -> Any:
    """A value as JSON has it: dates in ISO 8601, bytes in base64, anything else in its own words."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
