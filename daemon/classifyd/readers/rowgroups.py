"""What a row group of Parquet can make of memory, told by its metadata before any of it is read."""

from typing import Any, BinaryIO

from classifyd.readers.growth import HARMLESS_BYTES, Growth

HARMLESS_ROWS = 2**16
"""Below this no ratio is looked at, as growth.HARMLESS_BYTES for bytes."""
BATCH_ROWS = 64
BATCH_BYTES = 2**26
LONG = {"BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"}
# How a PageHeader (parquet.thrift) begins in Thrift's compact protocol: field 1, an i32, is the type of the page.
DATA_PAGES = (b"\x15\x00", b"\x15\x06")
DICTIONARY_PAGE = b"\x15\x04\x15"


def check(group: Any, grown: Growth) -> None:
    """LimitExceeded if a column claims more values or bytes than the file can honestly hold.

    Metadata may lie, and a list may repeat one entry within a row: the worker's limit on memory is for those.
    """
    for column in _columns(group):
        grown.check_claim(column.num_values, HARMLESS_ROWS, "values")
        grown.check_claim(column.total_uncompressed_size, HARMLESS_BYTES, "bytes")


def batch_rows(group: Any, stream: BinaryIO) -> int:
    """How many rows to read at a time, so that they hold BATCH_BYTES at most, also if the longest value is in each."""
    mean: int = group.total_byte_size // max(1, group.num_rows)
    longest = sum(_repeatable(column, stream) for column in _columns(group))
    return min(BATCH_ROWS, max(1, BATCH_BYTES // max(1, mean + longest)))


def _columns(group: Any) -> list[Any]:
    return [group.column(place) for place in range(group.num_columns)]


def _repeatable(column: Any, stream: BinaryIO) -> int:
    """The most bytes that may stand in every row of a column at no cost to the sender."""
    if column.physical_type not in LONG:
        return 0
    if "DELTA_BYTE_ARRAY" in column.encodings:
        # Each value may begin with all of the one before.
        return int(column.total_uncompressed_size)
    return _dictionary_bytes(column, stream)


def _dictionary_bytes(column: Any, stream: BinaryIO) -> int:
    """The size of a column's dictionary, of which the metadata says nothing: most writers stop at 1 MiB."""
    starts = [column.data_page_offset]
    if column.has_dictionary_page:
        starts.append(column.dictionary_page_offset)
    stream.seek(max(0, min(starts)))
    header = stream.read(8)
    if header.startswith(DATA_PAGES):
        return 0
    if header.startswith(DICTIONARY_PAGE):
        return _zigzag(header[len(DICTIONARY_PAGE) :])
    return int(column.total_uncompressed_size)


def _zigzag(data: bytes) -> int:
    """The number that Thrift writes in seven bits a byte, the lowest first, its sign in the last bit."""
    number = 0
    for place, byte in enumerate(data):
        number |= (byte & 127) << (7 * place)
        if byte < 128:
            break
    return number >> 1
