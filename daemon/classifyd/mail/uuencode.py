"""Files that old mail programs set between the lines of a text (uuencode): found, named, and left out."""

import re
from collections.abc import Callable

BEGIN = re.compile(r"begin(-base64)? [0-7]{3,4} (\S.*)")
DATA = re.compile(r"[ -`]{1,90}")
BASE64 = re.compile(r"[A-Za-z0-9+/]{4,90}={0,2}")


def without(text: str) -> tuple[str, list[str]]:
    """The text without its encoded files, and their names."""
    if "begin" not in text:
        return text, []
    kept: list[str] = []
    names: list[str] = []
    inside = False
    is_data: Callable[[str], object] = _is_data
    for line in text.split("\n"):
        bare = line.rstrip("\r")
        begin = None if inside else BEGIN.fullmatch(bare)
        if begin:
            inside = True
            is_data = BASE64.fullmatch if begin[1] else _is_data
            names.append(begin[2].strip())
        elif inside and bare in {"end", "===="}:
            inside = False
        elif not inside or not is_data(bare):
            # A line that cannot be data ends a file whose end is missing.
            inside = inside and not bare
            kept.append(line)
    return "\n".join(kept), names


def _is_data(line: str) -> bool:
    """Whether a line holds as many characters as its first one says, give or take blanks lost at its end."""
    if not DATA.fullmatch(line):
        return False
    needed = ((ord(line[0]) - 32) % 64 + 2) // 3 * 4
    return needed // 2 <= len(line) - 1 <= needed + 2
