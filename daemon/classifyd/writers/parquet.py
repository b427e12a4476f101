"""Parquet, through pyarrow, which is an extra: a table answered in kind, or a plain table of records."""

import itertools
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

from classifyd.api import AnnotatedRecord, WriteOptions
from classifyd.errors import UnavailableError
from classifyd.writers.columns import Layout, lay_out
from classifyd.writers.strict import dumps, plain

GROUP_ROWS = 8192


@dataclass(frozen=True, slots=True)
class ParquetWriter:
    """A row for each record: the row's own columns, each task's, then classifyd_error.

    Columns of an input keep the type of their values; one that mixes types becomes text.
    """

    format: str = "parquet"
    suffix: str = ".parquet"

    def write(self, records: Iterable[AnnotatedRecord], stream: BinaryIO, options: WriteOptions) -> None:
        """Write every record, in row groups of 8192. UnavailableError if pyarrow is not installed."""
        arrow = _pyarrow()
        layout, every = lay_out(records, options)
        _write(arrow, _tables(arrow, layout, every), stream)

    def assemble(self, parts: Iterable[BinaryIO], stream: BinaryIO) -> None:
        """Write the rows of every part; a column has the type that holds what all parts hold."""
        arrow = _pyarrow()
        _write(arrow, (table for part in parts for table in _groups(part)), stream)


def _pyarrow() -> Any:
    try:
        import pyarrow as pa  # noqa: PLC0415  # an extra, and slow to import: only where Parquet is written
        import pyarrow.parquet  # noqa: PLC0415  # likewise; `pa.parquet` is then there
    except ImportError as error:
        raise UnavailableError("format parquet needs pyarrow; run: pip install 'classifyd[parquet]'") from error
    return pa


def _tables(arrow: Any, layout: Layout, records: Iterator[AnnotatedRecord]) -> Iterator[Any]:
    types = _types(arrow, layout)
    empty = True
    while (chunk := [layout.cells(annotated) for annotated in itertools.islice(records, GROUP_ROWS)]) or empty:
        columns = {name: _array(arrow, [cells[name] for cells in chunk], types.get(name)) for name in layout.names}
        empty = False
        yield arrow.table(columns)


def _types(arrow: Any, layout: Layout) -> dict[str, Any]:
    """The types of the columns that are our own, so that one without values has its type too."""
    text = arrow.string()
    own = {} if layout.own is not None else {"source": text, "index": arrow.int64(), "text": text, "meta": text}
    kinds = {"label": text, "score": arrow.float64(), "review": arrow.bool_(), "spans": text, "model": text}
    answers = {f"{task}_{suffix}": kinds[suffix] for task, suffixes in layout.suffixes.items() for suffix in suffixes}
    return {**own, **answers, "classifyd_error": text}


def _array(arrow: Any, values: list[Any], kind: Any) -> Any:
    """Values as a column, of the type given or the one they have in common, else as text."""
    fitting = [plain(value) if isinstance(value, str) else value for value in values]
    try:
        return arrow.array(fitting, type=kind)
    except (arrow.ArrowException, ValueError, TypeError, OverflowError):
        return arrow.array([_text(value) for value in fitting], type=arrow.string())


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return dumps(value) if isinstance(value, dict | list | tuple) else plain(str(value))


def _groups(part: BinaryIO) -> Iterator[Any]:
    from pyarrow import parquet  # noqa: PLC0415  # likewise

    file = parquet.ParquetFile(part, pre_buffer=False)
    if not file.num_row_groups:
        yield file.schema_arrow.empty_table()
    for group in range(file.num_row_groups):
        yield file.read_row_group(group)


def _write(arrow: Any, tables: Iterator[Any], stream: BinaryIO) -> None:
    """Write tables as one, under the types that hold what each of them holds.

    Those are known only at the end, so the tables wait in a temporary file and not in memory.
    """
    with tempfile.TemporaryFile() as file:
        schemas = []
        places = []
        for table in tables:
            places.append(file.tell())
            schemas.append(table.schema)
            with arrow.ipc.new_stream(file, table.schema) as waiting:
                waiting.write_table(table)
        schema = _common(arrow, schemas)
        with arrow.parquet.ParquetWriter(stream, schema) as writer:
            for place in places:
                writer.write_table(_fitted(arrow, _waiting(arrow, file, place), schema))


def _waiting(arrow: Any, file: IO[bytes], place: int) -> Any:
    file.seek(place)
    with arrow.ipc.open_stream(file) as reader:
        return reader.read_all()


def _common(arrow: Any, schemas: list[Any]) -> Any:
    """One schema for all: the columns of the first, then those that only others have."""
    kinds: dict[str, list[Any]] = {}
    for schema in schemas:
        for field in schema:
            kinds.setdefault(field.name, []).append(field.type)
    return arrow.schema([(name, _wider(arrow, found)) for name, found in kinds.items()])


def _wider(arrow: Any, kinds: list[Any]) -> Any:
    try:
        fields = [arrow.schema([("column", kind)]) for kind in dict.fromkeys(kinds)]
        return arrow.unify_schemas(fields, promote_options="permissive").field("column").type
    except arrow.ArrowException:
        return arrow.string()


def _fitted(arrow: Any, table: Any, schema: Any) -> Any:
    columns = []
    for field in schema:
        if field.name not in table.schema.names:
            columns.append(arrow.nulls(table.num_rows, field.type))
        else:
            columns.append(_cast(arrow, table.column(field.name), field.type))
    return arrow.Table.from_arrays(columns, schema=schema)


def _cast(arrow: Any, column: Any, kind: Any) -> Any:
    if column.type == kind:
        return column
    try:
        return column.cast(kind)
    except arrow.ArrowException:
        return arrow.array([_text(value) for value in column.to_pylist()], type=arrow.string())
