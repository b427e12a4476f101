"""The built-in readers, as a plugin; and how inputs are opened and given to the reader that fits."""

from collections.abc import Sequence

from classifyd.api import Reader, hookimpl
from classifyd.readers.choosing import can_cut, choose
from classifyd.readers.delimited import DelimitedReader
from classifyd.readers.jsondocs import JsonReader
from classifyd.readers.jsonl import JsonLinesReader
from classifyd.readers.mails import MailReader, MboxReader
from classifyd.readers.opening import open_file, open_source
from classifyd.readers.parquet import ParquetReader
from classifyd.readers.spool import SpoolReader
from classifyd.readers.text import TextReader

__all__ = ["can_cut", "choose", "open_file", "open_source", "register_readers"]


@hookimpl
def register_readers() -> Sequence[Reader]:
    """Every format that classifyd reads by itself."""
    return (
        TextReader(),
        MailReader(),
        MboxReader(),
        JsonLinesReader(),
        JsonReader(),
        DelimitedReader(),
        ParquetReader(),
        SpoolReader(),
    )
