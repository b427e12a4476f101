"""The heads of outputs: the daemon's memory holds no text, so what is shown is read from the outputs themselves.

What an output does not hold (include_text = false, or taken away by its consumer) cannot be shown.
"""

import json
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

from classifyd.web.recent import Output

READ_BYTES = 256 * 2**10
KEPT = 80

Found = TypeVar("Found")


class Heads(Generic[Found]):
    """What `find` gets out of an output and its records, kept as long as its file is the same."""

    def __init__(self, find: Callable[[Output, Iterator[dict[str, Any]]], Iterable[Found]]) -> None:
        self._find = find
        self._found: OrderedDict[tuple[object, ...], list[Found]] = OrderedDict()

    def of(self, outputs: Iterable[Output]) -> Iterator[tuple[Output, list[Found]]]:
        """Each output with what was found; with nothing where its name is that of an output before it in the row."""
        places = set()
        for output in outputs:
            place = output.place
            yield output, [] if place is None or place in places else self._of(output, place)
            places.add(place)

    def _of(self, output: Output, place: Path) -> list[Found]:
        try:
            with _opened(place) as file:
                status = os.fstat(file.fileno())
                key = (place, output.at, status.st_ino, status.st_mtime_ns, status.st_size)
                if key not in self._found:
                    self._found[key] = list(self._find(output, _records(file)))
        except OSError:
            return []
        while len(self._found) > KEPT:
            self._found.popitem(last=False)
        return self._found[key]


def records(place: Path) -> Iterator[dict[str, Any]]:
    """The records in an output's first READ_BYTES, in order, up to a line that is no JSON; none if it is gone.

    A consumer may have put anything in its place: only that `annotations` is a dict is promised.
    """
    try:
        with _opened(place) as file:
            yield from _records(file)
    except OSError:
        return


def _opened(place: Path) -> BinaryIO:
    def openly(path: str, flags: int) -> int:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)

    return open(place, "rb", buffering=0, opener=openly)


def _records(file: BinaryIO) -> Iterator[dict[str, Any]]:
    if Path(file.name).suffix != ".jsonl":
        return
    *whole, _ = (file.read(READ_BYTES) or b"").split(b"\n")
    for line in whole:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(record, dict) and isinstance(record.get("annotations"), dict):
            yield record
