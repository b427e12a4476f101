"""How good answers are, as figures: scikit-learn for labels, seqeval's exact match for spans."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seqeval.metrics.sequence_labeling import precision_recall_fscore_support as spans_prfs
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from classifyd.api import Annotation, Example, Span

Spans = frozenset[tuple[int, int, str]]
"""(start, end, label) of each span of one text."""


@dataclass(frozen=True, slots=True)
class ForLabel:
    """Precision, recall and F1 of one label, and how often it is right to give it."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What came out on some examples.

    `accuracy` is None for spans. `f1` is the mean over labels (macro) for labels, over all spans (micro) for spans;
    `macro_f1` the mean over labels for both. `confusion[right][given]` is empty for spans.
    """

    examples: int
    accuracy: float | None
    f1: float
    macro_f1: float
    labels: tuple[ForLabel, ...]
    confusion: tuple[tuple[int, ...], ...] = ()


def of(examples: Sequence[Example], answers: Sequence[Annotation], labels: Sequence[str]) -> Figures:
    """Figures of one answer per example, in the same order."""
    right, given = [truth(example) for example in examples], [said(answer) for answer in answers]
    return of_spans(right, given, labels) if marks_spans(examples) else of_labels(right, given, labels)


def marks_spans(examples: Sequence[Example]) -> bool:
    """Whether spans are what is right of these texts, and not labels of whole ones."""
    return any(example.spans is not None for example in examples)


def truth(example: Example) -> Any:
    """What is right of a text: its label, or a frozenset of (start, end, label)."""
    return example.label if example.spans is None else _places(example.spans)


def said(answer: Annotation) -> Any:
    """What was said of a text, in the same form; an empty label where none was given."""
    if answer.spans is not None:
        return _places(answer.spans)
    return answer.labels[0].label if answer.labels else ""


def scored(examples: Sequence[Example], answers: Sequence[Annotation]) -> tuple[list[float], list[bool]]:
    """The score of each label or span that was given, and whether it was right."""
    pairs = [pair for example, answer in zip(examples, answers, strict=True) for pair in _scored(example, answer)]
    return [score for score, _ in pairs], [hit for _, hit in pairs]


def _scored(example: Example, answer: Annotation) -> list[tuple[float, bool]]:
    right = truth(example)
    if answer.spans is not None:
        return [(span.score, (span.start, span.end, span.label) in right) for span in answer.spans]
    return [(label.score, label.label == right) for label in answer.labels[:1]]


def _places(spans: Sequence[Span]) -> Spans:
    return frozenset((span.start, span.end, span.label) for span in spans)


def of_labels(right: Sequence[str], given: Sequence[str], labels: Sequence[str]) -> Figures:
    """Figures of one label per text."""
    each = _each(precision_recall_fscore_support(right, given, labels=list(labels), zero_division=0), labels)
    present = [one.f1 for one in each if one.support]
    macro = sum(present) / max(len(present), 1)
    confusion = confusion_matrix(right, given, labels=list(labels))
    return Figures(
        examples=len(right),
        accuracy=float(accuracy_score(right, given)),
        f1=macro,
        macro_f1=macro,
        labels=each,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def of_spans(right: Sequence[Spans], given: Sequence[Spans], labels: Sequence[str]) -> Figures:
    """Figures of spans, right only if start, end and label all are."""
    pairs = [_tags(truth, answer) for truth, answer in zip(right, given, strict=True)]
    tags = ([truth for truth, _ in pairs], [answer for _, answer in pairs])
    each = _each(spans_prfs(*tags, zero_division=0), _present(right, given))
    micro = spans_prfs(*tags, average="micro", zero_division=0)
    known = {one.label: one for one in each}
    shown = tuple(known.get(label, ForLabel(label, 0.0, 0.0, 0.0, 0)) for label in labels)
    macro = sum(one.f1 for one in shown) / max(len(shown), 1)
    return Figures(len(right), None, float(micro[2]), macro, shown)


def _each(prfs: tuple[Sequence[float], ...], labels: Sequence[str]) -> tuple[ForLabel, ...]:
    return tuple(
        ForLabel(label, float(precision), float(recall), float(f1), int(support))
        for label, precision, recall, f1, support in zip(labels, *prfs, strict=True)
    )


def _present(right: Sequence[Spans], given: Sequence[Spans]) -> list[str]:
    return sorted({label for spans in (*right, *given) for _, _, label in spans})


def _tags(truth: Spans, answer: Spans) -> tuple[list[str], list[str]]:
    """Both as BIO tags over the stretches between all their boundaries, so that seqeval sees the same spans."""
    edges = sorted({edge for start, end, _ in (*truth, *answer) for edge in (start, end)})
    places = {edge: number for number, edge in enumerate(edges)}
    both = []
    for spans in (truth, answer):
        tags = ["O"] * max(len(edges) - 1, 0)
        for start, end, label in spans:
            tags[places[start] : places[end]] = [f"I-{label}"] * (places[end] - places[start])
            tags[places[start]] = f"B-{label}"
        both.append(tags)
    return both[0], both[1]
