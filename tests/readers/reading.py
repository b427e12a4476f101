"""How the tests read bytes: whole, and in cuts, through the reader that the name asks for."""

import io
from collections.abc import Sequence

from classifyd import readers
from classifyd.api import CuttingReader, Limits, Record, Source

KNOWN = readers.register_readers()


def source(name: str, data: bytes, text_field: str | None = None, limits: Limits | None = None) -> Source:
    return Source(io.BytesIO(data), name, text_field, limits or Limits())


def read(name: str, data: bytes, text_field: str | None = None, limits: Limits | None = None) -> list[Record]:
    opened = source(name, data, text_field, limits)
    return list(readers.choose(KNOWN, opened).read(opened, None))


def read_in_cuts(name: str, data: bytes, size: int, limits: Limits | None = None) -> list[Record]:
    reader = readers.choose(KNOWN, source(name, data))
    assert isinstance(reader, CuttingReader)
    cuts = list(reader.cut(source(name, data, limits=limits), size))
    return [record for cut in cuts for record in reader.read(source(name, data, limits=limits), cut)]


def texts(records: Sequence[Record]) -> list[str]:
    return [record.text for record in records]


def errors(records: Sequence[Record]) -> list[str | None]:
    return [record.error.type if record.error else None for record in records]
