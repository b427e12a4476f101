"""The standard library's parser of mail, with an end to a mail's parts, to their depth, and to what a line costs."""

from collections import deque
from collections.abc import Callable
from email.feedparser import BufferedSubFile, BytesFeedParser  # type: ignore[attr-defined]  # typeshed lacks the first
from email.message import Message
from typing import Any

from classifyd.errors import LimitExceeded
from classifyd.mail.headers import BoundedPolicy
from classifyd.values import Limits

PIECE_BYTES = 2**14
REMEMBERED_LINES = 2**12
MOST_COMPARISONS = 5_000_000
"""Of lines with boundaries, a second or two: one mail of ten megabytes could ask for thirty times that."""


def message(data: bytes, limits: Limits) -> Message:
    """The message in some bytes, however broken. LimitExceeded as soon as it passes limits.mime_parts or mime_depth."""
    parser = _Parser(limits)
    for start in range(0, len(data), PIECE_BYTES):
        parser.feed(data[start : start + PIECE_BYTES])
    found: Message = parser.close()
    return found


class _Parser(BytesFeedParser):
    """Counts parts as they begin: a mail of ten megabytes can hold a million of them, at a kilobyte each."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(policy=BoundedPolicy())
        self._limits = limits
        self._parts = 0
        self._input = _Lines()

    def _new_message(self) -> None:
        super()._new_message()  # type: ignore[misc]  # the library's own, which tests hold us to
        self._parts += 1
        depth = len(self._msgstack) - 1  # type: ignore[attr-defined]  # likewise
        if self._parts > self._limits.mime_parts:
            raise LimitExceeded(f"has more than limits.mime_parts = {self._limits.mime_parts} parts; raise the limit")
        if depth > self._limits.mime_depth:
            raise LimitExceeded(f"nests deeper than limits.mime_depth = {self._limits.mime_depth}; raise the limit")


class _Lines(BufferedSubFile):  # type: ignore[misc]  # likewise
    """Lines that are shown to the boundaries around them only where they can be one.

    The library shows every line to each level's boundary, which makes the depth a factor of the time. A boundary's line
    begins with two dashes; a line that was none will not be one until a level is entered or left.
    """

    _lines: deque[str]

    def __init__(self) -> None:
        super().__init__()
        self._none: set[str] = set()
        self._others = 0
        self._levels = 0
        self._comparisons = 0

    def push_eof_matcher(self, matcher: Callable[[str], Any]) -> None:
        """Enter a level."""
        self._levels += 1
        super().push_eof_matcher(matcher)
        self._others += not _is_boundary(matcher)
        self._none.clear()

    def pop_eof_matcher(self) -> Callable[[str], Any]:
        """Leave a level."""
        self._levels -= 1
        matcher: Callable[[str], Any] = super().pop_eof_matcher()
        self._others -= not _is_boundary(matcher)
        self._none.clear()
        return matcher

    def readline(self) -> Any:
        """The next line; empty at the end of a level, the library's mark where more has to be fed. LimitExceeded."""
        line = self._lines[0] if self._lines else ""
        if not line or self._others:
            return super().readline()
        if not line.startswith("--") or line in self._none:
            return self._lines.popleft()
        self._comparisons += self._levels
        if self._comparisons > MOST_COMPARISONS:
            raise LimitExceeded("has too many lines of dashes within too many levels; it is hardly meant to be read")
        read = super().readline()
        if read and len(self._none) < REMEMBERED_LINES:
            self._none.add(line)
        return read


def _is_boundary(matcher: Callable[[str], Any]) -> bool:
    """Whether a level ends at a line of dashes, as all do but the fields of a delivery's status."""
    pattern = getattr(getattr(matcher, "__self__", None), "pattern", "")
    return isinstance(pattern, str) and pattern.startswith("(?P<sep>")
