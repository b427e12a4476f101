"""The newest results, as far as the heads of the outputs show them."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from classifyd.web.heads import Heads
from classifyd.web.recent import Output

RECORDS = 40
BY_OUTPUT = 5
TEXT_CHARS = 600


class Results:
    """What the page shows of the newest outputs."""

    def __init__(self) -> None:
        self._heads = Heads(lambda _, found: map(_shortened, islice(found, BY_OUTPUT)))

    def newest(self, outputs: list[Output]) -> list[dict[str, Any]]:
        """Records of the newest outputs, newest first; inputs whose records cannot be shown, as they are."""
        found: list[dict[str, Any]] = []
        for output, head in self._heads.of(outputs):
            about = _about(output)
            found += [about | record for record in head] or [about]
            if len(found) >= RECORDS:
                break
        return found[:RECORDS]


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
