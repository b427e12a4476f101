"""What a task may answer: one answer per record, of labels or spans, as plain values that every writer can write."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from operator import index

from classifyd.api import Answer, PredictionFailed
from classifyd.pipeline.border import MAX_MESSAGE_CHARS
from classifyd.pipeline.loading import Loaded
from classifyd.values import Annotation, Fault, Label, Record, Span

MAX_LABEL_CHARS = 256
UNFIT = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, lone surrogates and line ends: they have no place in a folder's name or in a log."""


def checked(loaded: Loaded, answers: Sequence[Answer], records: Sequence[Record]) -> list[Annotation]:
    """The answers as annotations, in order. PredictionFailed if one of them, or their number, is not as promised."""
    try:
        given = len(answers)
    except TypeError as error:
        kind = type(answers).__name__
        raise PredictionFailed(f"task {loaded.spec.name!r} answered with {kind}, not with a list of answers") from error
    if given != len(records):
        raise PredictionFailed(
            f"task {loaded.spec.name!r} gave {given} answers for {len(records)} records; it must give one each"
        )
    return [_finished(loaded, _annotation(answer), record) for answer, record in zip(answers, records, strict=True)]


def _annotation(answer: object) -> Annotation:
    if isinstance(answer, Annotation):
        return answer
    items = tuple(answer) if isinstance(answer, Iterable) else (answer,)
    if all(isinstance(item, Span) for item in items):
        return Annotation(spans=items)
    if all(isinstance(item, Label) for item in items):
        return Annotation(labels=items)
    raise PredictionFailed(f"an answer must be an Annotation, labels or spans, not {type(answer).__name__}")


def _finished(loaded: Loaded, annotation: Annotation, record: Record) -> Annotation:
    labels = tuple(sorted(map(_plain_label, annotation.labels), key=lambda label: -label.score))
    spans = annotation.spans
    spans = None if spans is None else tuple(_plain_span(span, len(record.text)) for span in spans)
    plain = Annotation(labels, spans, _plain_fault(annotation.error), loaded.model)
    return replace(plain, review=bool(annotation.review) or loaded.doubts(plain))


def _plain_label(label: object) -> Label:
    if not isinstance(label, Label):
        raise PredictionFailed(f"an answer must be an Annotation, labels or spans, not {type(label).__name__}")
    return Label(_name(label.label), _score(label.score))


def _plain_span(span: object, length: int) -> Span:
    if not isinstance(span, Span):
        raise PredictionFailed(f"an answer must be an Annotation, labels or spans, not {type(span).__name__}")
    try:
        start, end = index(span.start), index(span.end)
    except TypeError as error:
        raise PredictionFailed("a span must begin and end at whole numbers") from error
    if not 0 <= start <= end <= length:
        raise PredictionFailed(f"a span [{start}, {end}) lies outside a text of {length}")
    return Span(start, end, _name(span.label), _score(span.score))


def _name(name: object) -> str:
    """A label's name as text that can be written anywhere, of a length that a folder or a column can have."""
    if not isinstance(name, str):
        raise PredictionFailed(f"a label must be text, not {type(name).__name__}")
    if len(name) > MAX_LABEL_CHARS:
        raise PredictionFailed(f"a label may have {MAX_LABEL_CHARS} characters, not {len(name)}")
    if not name.isprintable() and any(unicodedata.category(char) in UNFIT for char in name):
        raise PredictionFailed(f"a label may hold no control character or line end, as {name!a} does")
    return str.__str__(name)


def _score(score: object) -> float:
    try:
        value = float(score)  # type: ignore[arg-type]  # what is no number says so; numpy's kinds become ours
    except (TypeError, ValueError) as error:
        raise PredictionFailed(f"a score must be a number, not {type(score).__name__}") from error
    if not 0 <= value <= 1:  # nor NaN, which compares false
        raise PredictionFailed(f"a score must be within 0 and 1, not {value}")
    return value


def _plain_fault(fault: object) -> Fault | None:
    if fault is None:
        return None
    if not isinstance(fault, Fault):
        raise PredictionFailed(f"an error must be a Fault, not {type(fault).__name__}")
    return Fault(_text(fault.type, MAX_LABEL_CHARS), _text(fault.message, MAX_MESSAGE_CHARS))


def _text(text: object, chars: int) -> str:
    return str(text)[:chars].encode("utf-8", "backslashreplace").decode()
