"""A reader of syslog lines (.log): the message is the text; time, host and program travel beside it."""

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from classifyd.api import Cut, Fault, Reader, Record, Source, hookimpl

LINE = re.compile(
    r"(?:<\d{1,3}>(?:1 )?)?"  # the priority, as it goes over the network
    r"(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) "  # RFC 3164's time, or RFC 5424's
    r"(?P<host>\S+) (?P<program>[^\s:\[]+)(?:\[(?P<process>\d+)\])?: ?(?P<text>.*)"
)


class LogLines:
    """One record a line that holds anything. A line of another form is all text."""

    name = "loglines"
    suffixes = (".log",)

    def read(self, source: Source, cut: Cut | None) -> Iterator[Record]:
        """The records of all lines, or of a range of them, counted from its first."""
        limit = source.limits.record_bytes
        start, end, index = (cut.start, cut.end, cut.first) if cut else (0, None, 0)
        source.stream.seek(start)
        for data, _ in lines(source.stream, limit, end):
            if data is None:
                message = f"the line has more than limits.record_bytes = {limit}; raise the limit"
                yield Record("", index, error=Fault("LimitExceeded", message))
            elif data.strip():
                yield record(data.decode("utf-8", "replace").rstrip("\r\n"), index)
            else:
                continue
            index += 1

    def cut(self, source: Source, size: int) -> Iterator[Cut]:
        """Ranges of whole lines of about `size` bytes: a large log is read by all workers at once."""
        start = end = first = count = 0
        for data, length in lines(source.stream, source.limits.record_bytes):
            end += length
            count += data is None or bool(data.strip())
            if end - start >= size:
                yield Cut(start, end, first)
                start, first, count = end, first + count, 0
        if end > start:
            yield Cut(start, end, first)


def lines(stream: BinaryIO, limit: int, end: int | None = None) -> Iterator[tuple[bytes | None, int]]:
    """Each line up to the offset `end`, with its length in bytes; None for one over the limit, which is not held."""
    place = stream.tell()
    while end is None or place < end:
        data = stream.readline(limit + 1)
        if not data:
            return
        length, rest = len(data), data
        while not rest.endswith(b"\n") and (rest := stream.readline(limit + 1)):
            length += len(rest)
        place += length
        yield (data if length == len(data) <= limit else None), length


def record(line: str, index: int) -> Record:
    """The record of one line; NUL, which no database takes, becomes U+FFFD."""
    line = line.replace("\0", "\ufffd")
    found = LINE.fullmatch(line)
    if found is None:
        return Record(line, index)
    meta = {name: value for name, value in found.groupdict().items() if name != "text" and value is not None}
    return Record(found["text"], index, meta)


@hookimpl
def register_readers() -> Sequence[Reader]:
    """The reader of .log files."""
    return [LogLines()]
