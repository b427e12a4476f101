"""Doubtful answers in the heads of outputs, and the words of strangers as the ledger can keep them."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeGuard

from classifyd.ledger import OF_THE_PAGE
from classifyd.values import Span
from classifyd.web.heads import records
from classifyd.web.recent import Output

TEXT_CHARS = 2000
SPANS_CHARS = 5000
"""A text whose spans are doubtful is shown whole, or not at all: who has not seen the rest cannot say what is in it."""
MOST_SPANS = 500
KEY = re.compile(re.escape(OF_THE_PAGE) + "[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Doubt:
    """One doubtful answer to one text, of which this has the beginning.

    `spans` are what was marked, in text order, None where the whole text was labelled; `said` tells either in a line,
    `score` is the label's, or that of the least sure span.
    """

    key: str
    task: str
    text: str
    cut: bool
    subject: str | None
    said: str
    score: float
    spans: tuple[Span, ...] | None
    model: str
    place: Path
    inbox: str
    source: str
    at: float


def doubts(output: Output) -> Iterator[Doubt]:
    """Those in the head of an output that can be put right on the page."""
    if output.place is not None:
        yield from doubts_among(output, records(output.place))


def doubts_among(output: Output, found: Iterable[Mapping[str, Any]]) -> Iterator[Doubt]:
    """Those among records of an output. A consumer may have put anything in its place."""
    report, place = output.report, output.place
    if place is None:
        return
    for record in found:
        text = record.get("text")
        if not isinstance(text, str) or not text.strip():
            continue
        meta = record.get("meta")
        subject = meta.get("subject") if isinstance(meta, Mapping) else None
        for task, answer in record["annotations"].items():
            if not isinstance(answer, Mapping) or answer.get("review") is not True:
                continue
            spans = marked(answer.get("spans"), text)
            if spans is None and not _is_label(answer):
                continue
            chars = TEXT_CHARS if spans is None else SPANS_CHARS
            yield Doubt(
                _key(record, task),
                task,
                text[:chars],
                len(text) > chars,
                subject[:TEXT_CHARS] if isinstance(subject, str) else None,
                in_words(spans) if spans else unicode(answer["label"]),
                min(span.score for span in spans) if spans else float(answer["score"]),
                spans,
                unicode(str(answer.get("model", ""))),
                place,
                report.inbox,
                report.source,
                output.at,
            )


def whole_text(doubt: Doubt) -> str | None:
    """The whole text; None if its output does not hold it any more."""
    for record in records(doubt.place):
        if isinstance(record.get("text"), str) and _key(record, doubt.task) == doubt.key:
            return unicode(record["text"])
    return None


def marked(told: object, text: str) -> tuple[Span, ...] | None:
    """Spans as JSON has them, in text order; None if they are none, too many, lie outside the text or overlap."""
    if not isinstance(told, list) or not 0 < len(told) <= MOST_SPANS:
        return None
    found = [_span(one, len(text)) for one in told]
    spans = sorted((span for span in found if span is not None), key=lambda span: span.start)
    apart = all(one.end <= other.start for one, other in pairwise(spans))
    return tuple(spans) if apart and len(spans) == len(told) else None


def in_words(spans: tuple[Span, ...]) -> str:
    """Spans in a line, without their words, as `classifyd corrections list` has them."""
    return ", ".join(f"{span.label} {span.start}-{span.end}" for span in spans)


def unicode(words: str) -> str:
    """Without lone surrogates, which JSON can hold and the ledger cannot; as long as before."""
    return words.encode("utf-8", "replace").decode()


def _span(told: object, length: int) -> Span | None:
    if not isinstance(told, Mapping):
        return None
    start, end, label, score = (told.get(name) for name in ("start", "end", "label", "score"))
    if not (_whole(start) and _whole(end) and isinstance(label, str)):
        return None
    sure = score if isinstance(score, int | float) and 0 <= score <= 1 else 1.0
    return Span(start, end, unicode(label), float(sure)) if 0 <= start < end <= length else None


def _whole(number: object) -> TypeGuard[int]:
    return isinstance(number, int) and not isinstance(number, bool)


def _is_label(answer: Mapping[str, Any]) -> bool:
    score = answer.get("score")
    return isinstance(answer.get("label"), str) and isinstance(score, int | float) and 0 <= score <= 1


def _key(record: Mapping[str, Any], task: str) -> str:
    """Names an answer to one text: a later output may have the same name, and its records the same ids."""
    named = "\0".join((str(record.get("id")), task, record["text"]))
    return OF_THE_PAGE + hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()[:32]
