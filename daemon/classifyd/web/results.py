"""The newest results, read from the outputs themselves: the daemon's memory holds no text.

What an output does not hold (include_text = false, or taken away by its consumer) is not shown either.
"""

import json
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from classifyd.web.recent import Output

RECORDS = 40
BY_OUTPUT = 5
READ_BYTES = 256 * 2**10
TEXT_CHARS = 600
KEPT = 80


class Results:
    """The heads of outputs, each read once: an output never changes."""

    def __init__(self) -> None:
        self._heads: OrderedDict[Path, list[dict[str, Any]]] = OrderedDict()

    def newest(self, outputs: list[Output]) -> list[dict[str, Any]]:
        """Records of the newest outputs, newest first; inputs whose records cannot be shown, as they are."""
        found: list[dict[str, Any]] = []
        for output in outputs:
            about = _about(output)
            records = self._head(output.place) if output.place else []
            found += [about | record for record in records[:BY_OUTPUT]] or [about]
            if len(found) >= RECORDS:
                break
        return found[:RECORDS]

    def _head(self, place: Path) -> list[dict[str, Any]]:
        if place not in self._heads:
            self._heads[place] = list(_records(place)) if place.suffix == ".jsonl" else []
            while len(self._heads) > KEPT:
                self._heads.popitem(last=False)
        return self._heads[place]


def _about(output: Output) -> dict[str, Any]:
    report = output.report
    return {
        "inbox": report.inbox,
        "source": report.source,
        "state": report.state,
        "at": output.at,
        "records": report.records,
        "errors": report.errors,
        "reviews": report.reviews,
        "reason": report.reason,
    }


def _records(place: Path) -> Iterator[dict[str, Any]]:
    for line in _lines(place)[:BY_OUTPUT]:
        try:
            record = json.loads(line)
        except ValueError:
            return
        if isinstance(record, dict) and isinstance(record.get("annotations"), dict):
            yield _shortened(record)


def _lines(place: Path) -> list[bytes]:
    """The whole lines of an output's head; none if it is gone."""
    try:
        # A consumer may have put anything in its place.
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


def _shortened(record: Mapping[str, Any]) -> dict[str, Any]:
    """What is shown of a record: the beginning of its text, and of its spans those that lie in it."""
    text = record.get("text")
    text = text if isinstance(text, str) else None
    meta = record.get("meta")
    subject = meta.get("subject") if isinstance(meta, Mapping) else None
    errors = record.get("errors")
    return {
        "index": record.get("index"),
        "text": text and text[:TEXT_CHARS],
        "cut": text is not None and len(text) > TEXT_CHARS,
        "subject": subject[:TEXT_CHARS] if isinstance(subject, str) else None,
        "annotations": {task: _answer(answer) for task, answer in record["annotations"].items()},
        "faults": {task: str(fault)[:TEXT_CHARS] for task, fault in errors.items()} if isinstance(errors, dict) else {},
    }


def _answer(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, Mapping):
        return {}
    kept = {key: answer.get(key) for key in ("label", "score", "model", "review")}
    spans = answer.get("spans")
    if not isinstance(spans, list):
        return kept
    shown = [span for span in spans if isinstance(span, Mapping) and _fits(span)]
    return kept | {"spans": [{key: span.get(key) for key in ("start", "end", "label", "score")} for span in shown]}


def _fits(span: Mapping[str, Any]) -> bool:
    start, end = span.get("start"), span.get("end")
    return isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= TEXT_CHARS
