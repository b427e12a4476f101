"""JSON Lines: one document a record."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from classifyd.api import AnnotatedRecord, WriteOptions
from classifyd.writers.documents import document
from classifyd.writers.strict import dumps


@dataclass(frozen=True, slots=True)
class JsonlWriter:
    """One line a record, schema classifyd/1, in the input's order."""

    format: str = "jsonl"
    suffix: str = ".jsonl"

    def write(self, records: Iterable[AnnotatedRecord], stream: BinaryIO, options: WriteOptions) -> None:
        """Write a line for every record."""
        stream.writelines(f"{dumps(document(annotated, options))}\n".encode() for annotated in records)

    def assemble(self, parts: Iterable[BinaryIO], stream: BinaryIO) -> None:
        """Write the parts one after another."""
        for part in parts:
            shutil.copyfileobj(part, stream, 2**20)
