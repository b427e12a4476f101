"""Lengths of time as people write them: 30d, 12h, none."""

import re

from pydantic_core import PydanticCustomError

_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"([1-9][0-9]{0,5}) ?([wdhms])")

NONE = "none"


def checked(text: object) -> object:
    """The text, if it is a duration or NONE."""
    if isinstance(text, str) and (text == NONE or _DURATION.fullmatch(text)):
        return text
    raise PydanticCustomError("duration", "must be a duration")


def seconds(text: str) -> float | None:
    """A duration in seconds; None for NONE."""
    found = _DURATION.fullmatch(text)
    return float(int(found[1]) * _SECONDS[found[2]]) if found else None


def written(length: float | None) -> str:
    """The same as text, in the largest unit that it is a multiple of."""
    if length is None:
        return NONE
    unit = next(unit for unit, size in _SECONDS.items() if length % size == 0)
    return f"{int(length) // _SECONDS[unit]}{unit}"
