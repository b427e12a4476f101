"""JSON documents: an array read item by item, one object, or several values one after another."""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from classifyd.api import Cut, LimitExceeded, Record, Source, UnreadableFile
from classifyd.mail.charsets import is_utf8
from classifyd.readers.encoding import SAMPLE_BYTES, foreign, head, refuse_binary, wide
from classifyd.readers.jsonl import from_json

BLANK = re.compile(r"[ \t\r\n\ufeff]*")


@dataclass(frozen=True, slots=True)
class JsonReader:
    """A record for each item of an array, or for each value that stands alone."""

    name: str = "json"
    suffixes: tuple[str, ...] = (".json",)

    def read(self, source: Source, cut: Cut | None) -> Iterator[Record]:
        """The records. UnreadableFile where the JSON breaks off or is none; an item without a text becomes an error."""
        del cut
        refuse_binary(source)
        for index, value in enumerate(_values(source)):
            yield from_json(value, index, source.text_field, source.limits.record_bytes)


def _values(source: Source) -> Iterator[Any]:
    text = _Text(source)
    text.skip(BLANK)
    if text.ended():
        raise text.broken("it holds no value")
    array = text.starts("[")
    if array:
        text.take(1)
        text.skip(BLANK)
    while not text.ended() and not (array and text.starts("]")):
        yield text.value()
        if not array:
            text.skip(BLANK)
        elif not text.skip_comma():
            break
    if array:
        _close(text)


def _close(text: "_Text") -> None:
    text.skip(BLANK)
    if not text.starts("]"):
        raise text.broken("a comma or ] is missing")
    text.take(1)
    text.skip(BLANK)
    if not text.ended():
        raise text.broken("something follows the array")


class _Text:
    """The text of a document, of which only what is being parsed is held."""

    def __init__(self, source: Source) -> None:
        sample = head(source.stream)
        encoding = wide(sample) or ("utf-8" if is_utf8(sample[:-4]) else foreign(sample))
        self._stream: BinaryIO = source.stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._source = source
        self._held = ""
        self._at = self._passed = 0
        self._all = False
        self._scan = json.JSONDecoder().raw_decode

    def ended(self) -> bool:
        """Whether nothing is left."""
        return not self._has(1)

    def starts(self, mark: str) -> bool:
        """Whether it goes on with this character."""
        return self._has(1) and self._held[self._at] == mark

    def take(self, count: int) -> None:
        """Pass over some characters."""
        self._at += count

    def skip(self, pattern: re.Pattern[str]) -> None:
        """Pass over what matches."""
        while True:
            match = pattern.match(self._held, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._held) or not self._more():
                return

    def skip_comma(self) -> bool:
        """Pass over a comma and the blanks around it; False if there is none."""
        self.skip(BLANK)
        if not self.starts(","):
            return False
        self.take(1)
        self.skip(BLANK)
        if self.starts("]"):
            raise self.broken("a comma stands before ]")
        return True

    def value(self) -> Any:
        """The value that comes next."""
        while True:
            try:
                value, end = self._scan(self._held, self._at)
            except RecursionError as error:
                raise self.broken("it nests too deeply") from error
            except ValueError as error:
                if not self._grow(str(error)):
                    raise self.broken(str(error)) from error
                continue
            # A number may go on in what is not read yet, also after "1." or "1e+"; other values say where they end.
            size = end - self._at
            if len(self._held) - end < 3 and isinstance(value, int | float) and self._grow("a number without end"):
                continue
            self._at += size
            return value

    def broken(self, what: str) -> UnreadableFile:
        """The error for the place where it is no JSON."""
        place = self._passed + self._at
        return UnreadableFile(f"{self._source.name}: is not JSON at character {place}: {what}; mend it")

    def _has(self, count: int) -> bool:
        while len(self._held) - self._at < count:
            if not self._more():
                return False
        return True

    def _grow(self, reason: str) -> bool:
        """Read as much again as is held, since the value may only be cut short; False at the end."""
        limit = self._source.limits.record_bytes
        size = len(self._held) - self._at
        if size > 2 * limit:
            raise LimitExceeded(
                f"{self._source.name}: an item at character {self._passed + self._at} has more than "
                f"limits.record_bytes = {limit}, or is not JSON ({reason}); mend it or raise the limit"
            )
        return self._more(size)

    def _more(self, size: int = 0) -> bool:
        """Read on; False at the end."""
        self._passed += self._at
        self._held, self._at = self._held[self._at :], 0
        while not self._all:
            data = self._stream.read(max(SAMPLE_BYTES, size))
            self._all = not data
            text = self._decoder.decode(data, self._all)
            if text:
                self._held += text
                return True
        return False
