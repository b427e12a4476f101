"""The heads of outputs: the daemon's memory holds no text, so what is shown is read from the outputs themselves.

What an output does not hold (include_text = false, or taken away by its consumer) cannot be shown.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

READ_BYTES = 256 * 2**10


def records(place: Path) -> Iterator[dict[str, Any]]:
    """The records in an output's first READ_BYTES, in order, up to a line that is no JSON; none if it is gone.

    A consumer may have put anything in its place: only that `annotations` is a dict is promised.
    """
    if place.suffix != ".jsonl":
        return
    for line in _lines(place):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(record, dict) and isinstance(record.get("annotations"), dict):
            yield record


def _lines(place: Path) -> list[bytes]:
    """The whole lines of the head."""
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        head = os.read(descriptor, READ_BYTES)
    except OSError:
        return []
    finally:
        os.close(descriptor)
    *whole, _ = head.split(b"\n")
    return whole
