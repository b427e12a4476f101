"""What Ray raises: errors of pages, of which people are told a line or two."""

import re

LONGEST = 600
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def lines(error: Exception) -> list[str]:
    """What an error says, line by line, without colours and empty ones."""
    return [line.strip() for line in _COLOUR.sub("", str(error)).splitlines() if line.strip()]


def told(error: Exception) -> str:
    """An error's kind, where it begins and what it comes to."""
    said = lines(error)
    ends = f"{said[0]} … {said[-1]}" if len(said) > 1 else "".join(said)
    return f"{type(error).__name__}: {ends}"[:LONGEST]
