"""Files that old mail programs set between the lines of a text (uuencode): found, named, and left out."""

import re

BEGIN = re.compile(r"begin(?:-base64)? [0-7]{3,4} (\S.*)")
DATA = re.compile(r"[ -`]{1,90}|[A-Za-z0-9+/=]{1,90}")


def without(text: str) -> tuple[str, list[str]]:
    """The text without its encoded files, and their names."""
    if "begin" not in text:
        return text, []
    kept: list[str] = []
    names: list[str] = []
    inside = False
    for line in text.split("\n"):
        bare = line.rstrip("\r")
        begin = None if inside else BEGIN.fullmatch(bare)
        if begin:
            inside = True
            names.append(begin[1].strip())
        elif inside and bare in {"end", "===="}:
            inside = False
        elif not inside or not DATA.fullmatch(bare):
            # A line that cannot be data ends a file whose end is missing.
            inside = inside and not bare
            kept.append(line)
    return "\n".join(kept), names
