"""The JSON document of one annotated record, schema classifyd/1."""

from collections.abc import Mapping
from typing import Any

from classifyd.api import AnnotatedRecord, Annotation, Fault, Label, Span, WriteOptions

SCHEMA = "classifyd/1"
DIGITS = 6


def document(annotated: AnnotatedRecord, options: WriteOptions) -> dict[str, Any]:
    """The record as a dict in the schema's order; scores rounded, texts left out if the options say so."""
    record = annotated.record
    answer: dict[str, Any] = {
        "schema": SCHEMA,
        "id": annotated.id,
        "source": annotated.source,
        "index": record.index,
    }
    if options.include_text:
        answer["text"] = record.text
    answer["meta"] = dict(record.meta)
    answer["annotations"] = {
        task: _annotation(said, record.text, options)
        for task, said in _in_order(annotated, options)
        if said.error is None
    }
    answer["errors"] = errors(annotated, options)
    return answer


def errors(annotated: AnnotatedRecord, options: WriteOptions) -> dict[str, dict[str, str]]:
    """What went wrong, by task; `record` stands for a row that could not be read."""
    found = {"record": _fault(annotated.record.error)} if annotated.record.error else {}
    for task, said in _in_order(annotated, options):
        if said.error:
            found[task] = _fault(said.error)
    return found


def spans(found: tuple[Span, ...], text: str, options: WriteOptions) -> list[dict[str, Any]]:
    """Spans with the stretch of text that each covers, unless texts are left out."""
    return [_span(span, text, options) for span in found]


def score(label: Label | Span) -> float:
    """The score as it is written."""
    return round(label.score, DIGITS)


def _in_order(annotated: AnnotatedRecord, options: WriteOptions) -> list[tuple[str, Annotation]]:
    said: Mapping[str, Annotation] = annotated.annotations
    first = [(task, said[task]) for task in options.tasks if task in said]
    return first + [(task, said[task]) for task in said if task not in options.tasks]


def _annotation(said: Annotation, text: str, options: WriteOptions) -> dict[str, Any]:
    if said.spans is not None:
        return {"spans": spans(said.spans, text, options), "model": said.model, "review": said.review}
    best = said.labels[0] if said.labels else None
    return {
        "label": best.label if best else None,
        "score": score(best) if best else None,
        "scores": {label.label: score(label) for label in sorted(said.labels, key=lambda label: label.label)},
        "model": said.model,
        "review": said.review,
    }


def _span(span: Span, text: str, options: WriteOptions) -> dict[str, Any]:
    answer: dict[str, Any] = {"start": span.start, "end": span.end, "label": span.label}
    if options.include_text:
        answer["text"] = text[span.start : span.end]
    return {**answer, "score": score(span)}


def _fault(fault: Fault) -> dict[str, str]:
    return {"type": fault.type, "message": fault.message}
