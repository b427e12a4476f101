"""What is looked at in answers: whether two series are the same, and whether one is made of what it should be."""

from collections.abc import Iterator, Sequence

from classifyd.api import Explanation, Label, Span
from classifyd.conformance.findings import Failed
from classifyd.values import Annotation, Record

_PLAIN = (str, float, int)


def check_explanation(explanation: Explanation, record: Record) -> None:
    """Failed where an explanation makes no sense."""
    answer, plain = explanation.answer, explanation.plain
    if len(answer.labels) != len(plain.labels) or len(answer.spans or ()) != len(plain.spans or ()):
        raise Failed("an explanation has other labels or spans before calibration than after it")
    for window in explanation.windows:
        if not 0 <= window.start <= window.end <= len(record.text):
            raise Failed(
                f"a window from {window.start} to {window.end} is not in a text of {len(record.text)} characters"
            )
    weights = sum(window.weight for window in explanation.windows)
    if explanation.windows and abs(weights - 1) > 1e-6:
        raise Failed(f"the windows of an explanation weigh {weights:g} together, not 1")


def compare(one: Sequence[Annotation], other: Sequence[Annotation], records: Sequence[Record], when: str) -> None:
    """Failed where two series of answers to the same records differ."""
    for before, after, record in zip(one, other, records, strict=True):
        if before != after:
            text = record.text if len(record.text) <= 40 else f"{record.text[:40]}…"
            raise Failed(f"{text!r} gets another answer {when}: {_short(before)} and {_short(after)}")


def _short(answer: Annotation) -> str:
    if answer.spans is not None:
        return ", ".join(f"{span.label} {span.start}-{span.end} {span.score!r}" for span in answer.spans[:3]) or "none"
    return ", ".join(f"{label.label} {label.score!r}" for label in answer.labels[:2]) or "none"


def strange(answer: object) -> Iterator[str]:
    """The types in an answer that are neither ours nor plain."""
    items = (*answer.labels, *(answer.spans or ())) if isinstance(answer, Annotation) else answer
    for item in items if isinstance(items, list | tuple) else ():
        if isinstance(item, Label | Span):
            values = (item.label, item.score, *((item.start, item.end) if isinstance(item, Span) else ()))
            yield from (_named(value) for value in values if type(value) not in _PLAIN)
        if type(item) not in (Label, Span):
            yield _named(item)


def _named(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
