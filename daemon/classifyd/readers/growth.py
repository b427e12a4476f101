"""How much a table grows as it is read, and what is too much: a few bytes can stand for millions of cells."""

from collections.abc import Mapping, Sequence
from typing import Any

from classifyd.api import LimitExceeded, Source

MAX_COLUMNS = 2000
HARMLESS_BYTES = 2**24
"""Below this no ratio is looked at: a small table of one repeated row is no bomb."""
CELL_BYTES = 8
"""What JSON puts around a name, beside the cell's own bytes; an empty cell has none of those."""


def check_columns(count: int, name: str) -> None:
    """LimitExceeded for a table of more columns than any that is made to be read."""
    if count > MAX_COLUMNS:
        raise LimitExceeded(
            f"{name}: has {count} columns, a table may have {MAX_COLUMNS}; keep the text's and those that you need"
        )


def json_bytes(value: Any) -> int:
    """About how many bytes JSON needs for a value, names of fields included."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(key) + CELL_BYTES + json_bytes(item) for key, item in value.items())
    return sum(map(json_bytes, value)) if isinstance(value, list | tuple) else 1


class Growth:
    """The bytes that a table's records hold, and those that they were read from.

    Every record names all columns, also those that its row leaves out; so a short row under many or long names grows.
    """

    def __init__(self, source: Source, columns: Sequence[str] = (), taken: int = 0) -> None:
        self._name = source.name
        self._limits = source.limits
        self._row_bytes = sum(len(column) + CELL_BYTES for column in columns)
        self._taken = taken
        self._given = 0

    def add(self, *, rows: int = 0, taken: int = 0, given: int = 0) -> None:
        """Count rows by their names, bytes that were read, and bytes of records. LimitExceeded for too much growth."""
        self._taken += taken
        self._given += given + rows * self._row_bytes
        if self._given > self._limits.decompressed_bytes:
            limit = f"limits.decompressed_bytes = {self._limits.decompressed_bytes}"
            raise LimitExceeded(f"{self._name}: holds more than {limit}; split the file or raise the limit")
        if self._given > HARMLESS_BYTES and self._given > self._limits.decompression_ratio * self._taken:
            raise self._too_much(f"makes {self._given} bytes of records, which name all columns, of {self._taken}")

    def check_claim(self, count: int, harmless: int, what: str) -> None:
        """LimitExceeded for more of something than the bytes can honestly hold, before any of it is read."""
        if count > harmless and count > self._limits.decompression_ratio * self._taken:
            raise self._too_much(f"claims to have {count} {what} in {self._taken} bytes")

    def _too_much(self, what: str) -> LimitExceeded:
        ratio = f"limits.decompression_ratio = {self._limits.decompression_ratio}"
        return LimitExceeded(f"{self._name}: {what}; grows by more than {ratio}; if it is no bomb, raise the limit")
