"""A writer of Parquet (format "days") whose rows lie together by the day that a message was sent.

One input has one output, so that this is no folder per day; but each day has row groups of its own, in order, and what
asks for a day (`filters=[("day", "==", day)]`) reads those alone.
"""

import heapq
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from itertools import groupby, pairwise
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from classifyd.api import AnnotatedRecord, WriteOptions, Writer, hookimpl

SCHEMA = pa.schema(
    {
        "day": pa.date32(),
        "id": pa.string(),
        "source": pa.string(),
        "text": pa.string(),
        "labels": pa.map_(pa.string(), pa.string()),
        "review": pa.bool_(),
        "errors": pa.string(),
    }
)
NEVER = date.min
"""Where rows without a day stand: first."""


class Days:
    """Rows sorted by day, then as they came."""

    format = "days"

    def write(self, records: Iterable[AnnotatedRecord], stream: BinaryIO, options: WriteOptions) -> None:
        """A part is a split of an input, about a second of work: it is sorted in memory."""
        rows = sorted((row(one, options) for one in records), key=lambda row: row["day"] or NEVER)
        save((list(group) for _, group in groupby(rows, key=lambda row: row["day"])), stream)

    def assemble(self, parts: Iterable[BinaryIO], stream: BinaryIO) -> None:
        """Merge the parts, of which each is sorted: one row group of each is in memory at a time.

        A part is open only until the next is asked for, so that all of them are copied into one file first.
        """
        with tempfile.NamedTemporaryFile() as file:
            ends = [0]
            for part in parts:
                shutil.copyfileobj(part, file)
                ends.append(file.tell())
            file.flush()
            whole = pa.memory_map(file.name)
            merged = (groups(whole, start, end) for start, end in pairwise(ends))
            save(heapq.merge(*merged, key=lambda group: group[0]["day"] or NEVER), stream)


def row(annotated: AnnotatedRecord, options: WriteOptions) -> dict[str, Any]:
    """The row of one record."""
    said = annotated.annotations
    faults = {task: one.error.message for task, one in said.items() if one.error}
    if annotated.record.error:
        faults["record"] = annotated.record.error.message
    return {
        "day": day(annotated.record.meta.get("date")),
        "id": annotated.id,
        "source": annotated.source,
        "text": annotated.record.text if options.include_text else None,
        "labels": [(task, one.labels[0].label) for task, one in said.items() if one.labels],
        "review": any(one.review for one in said.values()),
        "errors": json.dumps(faults) if faults else None,
    }


def day(written: object) -> date | None:
    """The day of a mail's date, or of one as ISO 8601 has it, in UTC; None if it is neither."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = parse(str(written))
            return (found.astimezone(UTC) if found.tzinfo else found).date()
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def groups(whole: Any, start: int, end: int) -> Iterator[list[dict[str, Any]]]:
    """The rows of each row group of the part that lies in a file from `start` to `end`."""
    whole.seek(start)
    file = pq.ParquetFile(pa.BufferReader(whole.read_buffer(end - start)))
    for number in range(file.num_row_groups):
        yield file.read_row_group(number).to_pylist()


def save(found: Iterable[list[dict[str, Any]]], stream: BinaryIO) -> None:
    """Write each list of rows as row groups of its own; the stream stays open."""
    with pq.ParquetWriter(stream, SCHEMA) as writer:
        for rows in found:
            writer.write_table(pa.Table.from_pylist(rows, SCHEMA))


@hookimpl
def register_writers() -> Sequence[Writer]:
    """The writer of format "days"."""
    return [Days()]
