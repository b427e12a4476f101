"""The built-in writers, as a plugin."""

from collections.abc import Sequence

from classifyd.api import Writer, hookimpl
from classifyd.writers.delimited import CsvWriter
from classifyd.writers.documents import document
from classifyd.writers.jsonl import JsonlWriter
from classifyd.writers.parquet import ParquetWriter

__all__ = ["document", "register_writers"]


@hookimpl
def register_writers() -> Sequence[Writer]:
    """Every format that classifyd writes by itself."""
    return (JsonlWriter(), CsvWriter(), ParquetWriter())
