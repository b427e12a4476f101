"""Texts that were decoded wrongly on their way: how to tell, and what to do about it."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

AROUND = 20
LEADS = ((2, 0xC2, 0xDF), (3, 0xE0, 0xEF), (4, 0xF0, 0xF4))
"""Bytes in a character of UTF-8, and between which values its first one lies."""

# Runs of what bytes beyond ASCII become when each is read as a character of Windows-1252 or Latin-1.
_RUN = re.compile(
    "[\x80-\xff\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc"
    "\u2013-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122]{2,}"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]")
_REPLACED = re.compile("\ufffd")


@dataclass(frozen=True, slots=True)
class Trouble:
    """One kind of trouble: where it first is in a text (None if it is not), what it is, and what to do."""

    name: str
    what: str
    advice: str
    find: Callable[[str], int | None]

    def is_in(self, text: str) -> bool:
        """Whether the text has it."""
        return self.find(text) is not None

    def shown(self, text: str) -> str:
        """The text around it, control characters escaped."""
        place = self.find(text) or 0
        near = text[max(0, place - AROUND) : place + AROUND]
        return "".join(c if unicodedata.category(c) != "Cc" else c.encode("unicode_escape").decode() for c in near)


def mojibake(text: str) -> int | None:
    """Where UTF-8 begins that was read as Windows-1252, such as "Ã©" for "é"; None if nowhere.

    Exact: the run is turned back into bytes, and only what then is UTF-8 counts.
    """
    if text.isascii():
        return None
    for found in _RUN.finditer(text):
        data = b"".join(map(_byte, found[0]))
        for place in range(len(data) - 1):
            if _is_character(data[place : place + 4]):
                return found.start() + place
    return None


def _byte(character: str) -> bytes:
    """The one byte of a character; Windows-1252 leaves five bytes out, which pass as they are."""
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1", "replace")


def _is_character(data: bytes) -> bool:
    """Whether bytes begin with a character of two to four bytes in UTF-8."""
    length = next((size for size, low, high in LEADS if low <= data[0] <= high), 0)
    if not length or len(data) < length:
        return False
    try:
        data[:length].decode()
    except UnicodeDecodeError:
        return False
    return True


def _first(pattern: re.Pattern[str]) -> Callable[[str], int | None]:
    def find(text: str) -> int | None:
        found = pattern.search(text)
        return found.start() if found else None

    return find


TROUBLES = (
    Trouble(
        "replacement_characters",
        "replacement characters",
        "what stood there is lost: decode the source anew",
        _first(_REPLACED),
    ),
    Trouble(
        "mojibake", 'mojibake such as "Ã©"', "UTF-8 was read as Windows-1252: decode the source as UTF-8", mojibake
    ),
    Trouble(
        "control_characters",
        "control characters",
        "take them out unless the texts to come have them too",
        _first(_CONTROL),
    ),
)
