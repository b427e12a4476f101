"""JSON for every parser and terminal: no NaN, no half surrogates or control characters, no unknown types."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

SURROGATES = re.compile("[\ud800-\udfff]")
UNSHOWN = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What JSON lets stand though terminals obey it, or other programs take it for the end of a line."""
MAX_DEPTH = 200


def dumps(value: Any) -> str:
    """The value as one line of strict JSON; what JSON has no word for becomes null (NaN) or its text (a date)."""
    try:
        return _shown(json.dumps(value, ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return _shown(json.dumps(_tamed(value, 0), ensure_ascii=False, allow_nan=False))


def plain(text: str) -> str:
    """The text with half surrogates, which no encoding takes, replaced by U+FFFD."""
    return text if text.isascii() else SURROGATES.sub("\ufffd", text)


def _shown(line: str) -> str:
    """A line of JSON in which nothing acts where it is shown: all of that stands within its strings."""
    if line.isascii() and "\x7f" not in line:
        return line
    return UNSHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", plain(line))


def _tamed(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {str(key): _tamed(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_tamed(item, depth + 1) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    return value.hex() if isinstance(value, bytes) else str(value)
