"""Parquet tables, through pyarrow, which is an extra."""

import base64
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from classifyd.api import Cut, LimitExceeded, Record, Source, UnreadableFile
from classifyd.readers.fields import choose_column, from_row

BATCH_ROWS = 64
"""Few, for a dictionary lets one long text stand in every row at no cost to the sender."""
HARMLESS_ROWS = 2**16
HARMLESS_BYTES = 2**24
"""Below these no ratio is looked at: a small table of one repeated row is no bomb."""


@dataclass(frozen=True, slots=True)
class ParquetReader:
    """One record a row; ranges are of row groups."""

    name: str = "parquet"
    suffixes: tuple[str, ...] = (".parquet", ".pq")

    def read(self, source: Source, cut: Cut | None) -> Iterator[Record]:
        """The records of all row groups or of a cut's."""
        with _seekable(source.stream) as stream:
            file, grown = _open(stream, source.name), _Growth(stream, source)
            grown.check_rows(file.metadata.num_rows)
            column = cut.context["column"] if cut else _column(file, source)
            groups = range(cut.start, cut.end) if cut else range(file.num_row_groups)
            rows = _rows(file, list(groups), source.name, grown)
            for index, row in enumerate(rows, cut.first if cut else 0):
                record = from_row(row, column, index, source.limits.record_bytes)
                yield Record(record.text, index, _plain(record.meta), row, record.error)

    def cut(self, source: Source, size: int) -> Iterator[Cut]:
        """Runs of row groups of about `size` bytes; one row group is the least."""
        file = _open(source.stream, source.name)
        _Growth(source.stream, source).check_rows(file.metadata.num_rows)
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


def _open(stream: BinaryIO, name: str) -> Any:
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


class _Growth:
    """How much a table grows as it is read: a column of one value for a billion rows is a file of a few bytes."""

    def __init__(self, stream: BinaryIO, source: Source) -> None:
        place = stream.tell()
        self._size = max(1, stream.seek(0, 2))
        stream.seek(place)
        self._given = 0
        self._name = source.name
        self._limits = source.limits

    def check_rows(self, rows: int) -> None:
        """LimitExceeded for more rows than the file can honestly hold."""
        if rows > HARMLESS_ROWS and rows > self._limits.decompression_ratio * self._size:
            raise LimitExceeded(f"{self._name}: claims to have {rows} rows in {self._size} bytes; {self._ratio}")

    def check_bytes(self, size: int) -> None:
        """Count more bytes. LimitExceeded past the limits of decompression."""
        self._given += size
        if self._given > self._limits.decompressed_bytes:
            limit = f"limits.decompressed_bytes = {self._limits.decompressed_bytes}"
            raise LimitExceeded(f"{self._name}: holds more than {limit}; split the file or raise the limit")
        if self._given > HARMLESS_BYTES and self._given > self._limits.decompression_ratio * self._size:
            raise LimitExceeded(f"{self._name}: {self._ratio}")

    @property
    def _ratio(self) -> str:
        ratio = self._limits.decompression_ratio
        return f"grows by more than limits.decompression_ratio = {ratio}; if it is no bomb, raise the limit"


def _rows(file: Any, groups: list[int], name: str, grown: _Growth) -> Iterator[dict[str, Any]]:
    batches = file.iter_batches(batch_size=BATCH_ROWS, row_groups=groups)
    while True:
        try:
            batch = next(batches, None)
            grown.check_bytes(batch.nbytes if batch is not None else 0)
            rows = batch.to_pylist() if batch is not None else []
        except Exception as error:  # likewise
            raise _damaged(name, error) from error
        if batch is None:
            return
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
