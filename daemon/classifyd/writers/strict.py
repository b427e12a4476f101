"""JSON that every parser takes: no NaN, no half surrogates, no unknown types."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

SURROGATES = re.compile("[\ud800-\udfff]")
MAX_DEPTH = 200


def dumps(value: Any) -> str:
    """The value as one line of strict JSON; what JSON has no word for becomes null (NaN) or its text (a date)."""
    try:
        return plain(json.dumps(value, ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return plain(json.dumps(_tamed(value, 0), ensure_ascii=False, allow_nan=False))


def plain(text: str) -> str:
    """The text with half surrogates, which no encoding takes, replaced by U+FFFD."""
    return text if text.isascii() else SURROGATES.sub("\ufffd", text)


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
