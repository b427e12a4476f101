"""What answers to labelled texts are worth: figures of the whole and of parts, curves, errors. No plots, no words."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from classifyd.api import Annotation, Example, Span
from classifyd_bert import calibration, figures
from classifyd_bert.figures import Figures

LENGTHS = (80, 160, 320, 640, 1280, 5120)
"""Characters up to which a text belongs to the first row of lengths, the second, …; longer ones to the last."""

CONTEXT = 80


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision and recall of one label as its threshold falls; `average` is the area below (average precision)."""

    label: str
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    average: float


@dataclass(frozen=True, slots=True)
class Error:
    """One wrong answer, or one span that was missed (then `score` is None).

    `number` is the text's among all, from 1. `text` is the text, or what lies around the span; `span` finds it there.
    """

    number: int
    source: str
    characters: int
    right: str
    given: str
    score: float | None
    text: str
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """Labelled texts, one answer each, and what follows from them. `labels` are all that the model knows, in order."""

    examples: tuple[Example, ...]
    answers: tuple[Annotation, ...]
    labels: tuple[str, ...]
    whole: Figures
    by_source: Mapping[str, Figures]
    by_length: Mapping[str, Figures]
    scores: tuple[float, ...]
    right: tuple[bool, ...]

    @property
    def marks_spans(self) -> bool:
        """Whether the answers are spans, and not labels of whole texts."""
        return self.whole.accuracy is None

    @property
    def calibration_error(self) -> float:
        """The expected calibration error of the scores of all that was said."""
        return calibration.expected_calibration_error(self.scores, self.right) if self.scores else 0.0

    def curves(self) -> list[Curve]:
        """One for each label that some text has, in order, and before them one of all together, labelled ""."""
        each = {label: self._scored(label) for label in self.labels}
        kept = {label: pairs for label, pairs in each.items() if pairs[1]}
        pooled = [pair for pairs, _ in kept.values() for pair in pairs], sum(total for _, total in kept.values())
        return [_curve(label, *pairs) for label, pairs in {"": pooled, **kept}.items() if pairs[1]]

    def errors(self, most: int) -> list[Error]:
        """The wrong answers that the model was surest of, and after them spans that it missed."""
        found = sorted(self._errors(), key=lambda error: (-(error.score or 0.0), error.number))
        return found[:most]

    def confusions(self, most: int) -> list[tuple[str, str, int]]:
        """The commonest pairs of a right label and another one given, and how often; none for spans."""
        pairs = Counter(
            (str(example.label), figures.said(answer))
            for example, answer in zip(self.examples, self.answers, strict=True)
            if not self.marks_spans and figures.said(answer) != example.label
        )
        return [(right, given, count) for (right, given), count in pairs.most_common(most)]

    def _scored(self, label: str) -> tuple[list[tuple[float, bool]], int]:
        """The score that a label has wherever it could be given, whether that is right there, and how often it is."""
        if not self.marks_spans:
            pairs = [
                (next((one.score for one in answer.labels if one.label == label), 0.0), example.label == label)
                for example, answer in zip(self.examples, self.answers, strict=True)
            ]
            return pairs, sum(hit for _, hit in pairs)
        spans = [
            (span.score, (span.start, span.end, span.label) in figures.truth(example))
            for example, answer in zip(self.examples, self.answers, strict=True)
            for span in answer.spans or ()
            if span.label == label
        ]
        return spans, sum(span.label == label for example in self.examples for span in example.spans or ())

    def _errors(self) -> Iterator[Error]:
        for number, (example, answer) in enumerate(zip(self.examples, self.answers, strict=True), start=1):
            if example.spans is not None:
                yield from _of_spans(number, example, answer)
            elif (said := figures.said(answer)) != example.label:
                score = answer.labels[0].score if answer.labels else None
                size = len(example.text)
                yield Error(number, example.source, size, str(example.label), said or "nothing", score, example.text)


def of(examples: Sequence[Example], answers: Sequence[Annotation], labels: Sequence[str]) -> Findings:
    """What follows from one answer per example, in the same order."""
    scores, right = figures.scored(examples, answers)

    def part(places: Sequence[int]) -> Figures:
        return figures.of([examples[place] for place in places], [answers[place] for place in places], labels)

    sources: dict[str, list[int]] = {}
    lengths: dict[int, list[int]] = {}
    for place, example in enumerate(examples):
        sources.setdefault(example.source, []).append(place)
        lengths.setdefault(int(np.searchsorted(LENGTHS, len(example.text))), []).append(place)
    return Findings(
        tuple(examples),
        tuple(answers),
        tuple(labels),
        figures.of(examples, answers, labels),
        {source: part(places) for source, places in sorted(sources.items())},
        {_length(number): part(places) for number, places in sorted(lengths.items())},
        tuple(scores),
        tuple(right),
    )


def _length(number: int) -> str:
    """The name of a row of lengths."""
    if number == len(LENGTHS):
        return f"over {LENGTHS[-1]:,}"
    return f"{LENGTHS[number - 1] + 1 if number else 0:,} to {LENGTHS[number]:,}"


def _curve(label: str, pairs: Sequence[tuple[float, bool]], total: int) -> Curve:
    """Precision and recall at each score, from the highest down; answers of the same score come in together."""
    if not pairs:
        return Curve(label, (), (), 0.0)
    scores, hits = (np.array(column, float) for column in zip(*sorted(pairs, reverse=True), strict=True))
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    right = hits.cumsum()[last]
    precision, recall = right / (last + 1), right / total
    average = float((np.diff(recall, prepend=0.0) * precision).sum())
    return Curve(label, tuple(precision.tolist()), tuple(recall.tolist()), average)


def _of_spans(number: int, example: Example, answer: Annotation) -> Iterator[Error]:
    said, truth = (
        {(span.start, span.end, span.label): span for span in spans or ()} for spans in (answer.spans, example.spans)
    )
    wrong = [span for key, span in said.items() if key not in truth]
    missed = [span for key, span in truth.items() if key not in said]
    for span in wrong:
        touching = [other for other in missed if _touch(span, other)]
        right = ", ".join(map(_named, touching)) or "nothing"
        yield replace(_around(number, example, span), right=right, given=_named(span), score=span.score)
    for span in missed:
        if not any(_touch(span, other) for other in wrong):
            yield replace(_around(number, example, span), right=_named(span))


def _touch(span: Span, other: Span) -> bool:
    return other.start < span.end and span.start < other.end


def _around(number: int, example: Example, span: Span) -> Error:
    """An error at a span, with the text around it; nothing is right and nothing given yet."""
    start, end = max(0, span.start - CONTEXT), min(len(example.text), span.end + CONTEXT)
    place = span.start - start, span.end - start
    return Error(number, example.source, len(example.text), "nothing", "nothing", None, example.text[start:end], place)


def _named(span: Span) -> str:
    return f"{span.label} {span.start}-{span.end}"
