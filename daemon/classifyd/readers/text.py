"""Plain texts: one record a file."""

from collections.abc import Iterator
from dataclasses import dataclass

from classifyd.api import Cut, LimitExceeded, Record, Source
from classifyd.readers.encoding import decode_whole, fit, refuse_binary


@dataclass(frozen=True, slots=True)
class TextReader:
    """The whole file is the text, in UTF-8 or whatever encoding it is in."""

    name: str = "text"
    suffixes: tuple[str, ...] = (".txt", ".text", ".md")

    def read(self, source: Source, cut: Cut | None) -> Iterator[Record]:
        """One record. UnreadableFile for what is no text, LimitExceeded for a text over limits.record_bytes."""
        del cut
        refuse_binary(source)
        yield Record(fit(decode_whole(read_whole(source))))


def read_whole(source: Source) -> bytes:
    """All bytes of an input of one record. LimitExceeded over limits.record_bytes."""
    limit = source.limits.record_bytes
    data = source.stream.read(limit + 1)
    if len(data) > limit:
        raise LimitExceeded(
            f"{source.name}: has more than limits.record_bytes = {limit}; shorten the file or raise the limit"
        )
    return data
