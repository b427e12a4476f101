"""What is promised of a label's answers that stand unreviewed, and the thresholds that keep the promises.

An answer under its label's threshold is for review, and so is not one that stands. A *precision* of a label is promised
of the answers that give it: raising its own threshold keeps it. A *recall* is promised of the texts that have the
label: of them, no more than the rest may stand under another label; raising the thresholds of all others keeps it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from classifyd.api import Annotation, Example, TrainingError
from classifyd_bert import figures

_NUMBER = re.compile(r"[0-9]*\.?[0-9]+")
FIGURES = ("precision", "recall")
Items = list[tuple[float, bool]]
"""Scores, and whether each was a hit."""


@dataclass(frozen=True, slots=True)
class Promise:
    """At least `share` of precision, or of recall, of one label."""

    label: str
    figure: str
    share: float

    def __str__(self) -> str:
        return f"{self.label} {self.figure} {self.share:g}"


@dataclass(frozen=True, slots=True)
class Kept:
    """How a promise is kept on some texts.

    `hits` of `among` are what was promised; `low` and `high` bound their true share with 95 % confidence. `recall` is
    the label's among answers that stand, `recall_without` among all answers. `review` is the share of answers for
    review.
    """

    promise: Promise
    hits: int
    among: int
    low: float
    high: float
    recall: float
    recall_without: float
    review: float

    @property
    def share(self) -> float:
        """What came out; 1 where there was nothing to get wrong."""
        return self.hits / self.among if self.among else 1.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The scores from which answers stand: by label, and `review` for labels without one of their own."""

    review: float
    labels: Mapping[str, float]

    def of(self, label: str, *, marks_spans: bool = False) -> float:
        """A label's threshold. Spans are reviewed for a promise alone, as the pipeline does."""
        return self.labels.get(label, 0.0 if marks_spans else self.review)


def parse(text: str, labels: Sequence[str]) -> Promise:
    """A promise as it is written: "spam precision 0.99". TrainingError if it is none, or of no known label."""
    # From the right, for a label may be several words.
    *words, figure, number = [*text.rsplit(maxsplit=2), "", ""][:3]
    share = float(number) if _NUMBER.fullmatch(number) else 0.0
    if not words or figure not in FIGURES or not 0 < share <= 1:
        raise TrainingError(
            f'--promise {text!r}: write a label, precision or recall, and a share: "spam precision 0.99"'
        )
    label = words[0].strip()
    if label not in labels:
        raise TrainingError(f"--promise {text!r}: there is no label {label!r}. Known: {', '.join(labels)}")
    return Promise(label, figure, share)


def keep(
    promises: Sequence[Promise], examples: Sequence[Example], answers: Sequence[Annotation], confidence: float = 0.0
) -> dict[str, float]:
    """The lowest threshold of each label under which these answers keep all promises.

    With a `confidence` above 0 the lower Clopper-Pearson bound of the share must reach what is promised, so that texts
    not seen here keep it too with that confidence; with 0 the share itself. TrainingError if no threshold does.
    """
    found: dict[str, float] = {}
    # Thresholds only rise, and recalls, which all higher ones keep, come first: so a later promise breaks no earlier.
    for promise in sorted(promises, key=lambda one: (one.figure != "recall", one.share)):
        judge = _Judge(promise.share, confidence)
        if promise.figure == "recall":
            threshold = _for_recall(promise, examples, answers, judge)
            others = {label for answer in answers for label in _labels(answer)} - {promise.label}
            found |= {label: max(threshold, found.get(label, 0.0)) for label in sorted(others) if threshold > 0}
        else:
            items = given(promise.label, examples, answers)
            found[promise.label] = _for_precision(promise, items, found.get(promise.label, 0.0), judge)
    return found


def kept(promise: Promise, thresholds: Thresholds, examples: Sequence[Example], answers: Sequence[Annotation]) -> Kept:
    """How these answers keep a promise under those thresholds, and what that costs."""
    label, items = promise.label, given(promise.label, examples, answers)
    threshold = thresholds.of(label, marks_spans=figures.marks_spans(examples))
    standing = [hit for score, hit in items if score >= threshold]
    total = _held(label, examples)
    hits, among = sum(standing), len(standing)
    if promise.figure == "recall":
        lost = [other for other, score in _misses(label, examples, answers) if score >= thresholds.of(other)]
        hits, among = total - len(lost), total
    low, high = interval(hits, among)
    return Kept(
        promise,
        hits,
        among,
        low,
        high,
        sum(standing) / max(total, 1),
        sum(hit for _, hit in items) / max(total, 1),
        reviewed(thresholds, examples, answers),
    )


def given(label: str, examples: Sequence[Example], answers: Sequence[Annotation]) -> Items:
    """The score of each answer that gives a label, and whether it is right."""
    items: Items = []
    for example, answer in zip(examples, answers, strict=True):
        right = figures.truth(example)
        if answer.spans is not None:
            items += [(s.score, (s.start, s.end, s.label) in right) for s in answer.spans if s.label == label]
        elif answer.labels and answer.labels[0].label == label:
            items.append((answer.labels[0].score, right == label))
    return items


def reviewed(thresholds: Thresholds, examples: Sequence[Example], answers: Sequence[Annotation]) -> float:
    """The share of texts that are for review."""
    marked = figures.marks_spans(examples)
    return sum(doubtful(answer, thresholds, marks_spans=marked) for answer in answers) / max(len(answers), 1)


def doubtful(answer: Annotation, thresholds: Thresholds, *, marks_spans: bool) -> bool:
    """Whether an answer is for review, as the pipeline decides it."""
    said = answer.spans or () if marks_spans else answer.labels[:1]
    return any(one.score < thresholds.of(one.label, marks_spans=marks_spans) for one in said)


def interval(hits: int, among: int, confidence: float = 0.95) -> tuple[float, float]:
    """The shares that `hits` of `among` leave likely: two-sided, exact (Clopper & Pearson 1934)."""
    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, hits, among - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, among - hits)) if hits < among else 1.0
    return low, high


# ---------------------------------------------------------------------- finding thresholds


@dataclass(frozen=True, slots=True)
class _Judge:
    """Whether so many hits are enough."""

    share: float
    confidence: float

    def enough(self, hits: int, among: int) -> bool:
        if not self.confidence:
            return hits >= self.share * among
        # One-sided, hence the tail is the whole of what the confidence leaves.
        return hits > 0 and float(beta.ppf(1 - self.confidence, hits, among - hits + 1)) >= self.share

    @property
    def wanted(self) -> str:
        """What is asked for, in words."""
        return f"{self.share:g} with {self.confidence:.0%} confidence" if self.confidence else f"{self.share:g}"


def _for_precision(promise: Promise, items: Items, floor: float, judge: _Judge) -> float:
    """The lowest threshold from `floor` on under which enough of the items that stand are hits."""
    standing = sorted((item for item in items if item[0] >= floor), reverse=True)
    best = None
    hits = 0
    for among, (score, hit) in enumerate(standing, start=1):
        hits += hit
        last_of_its_score = among == len(standing) or standing[among][0] < score
        if last_of_its_score and judge.enough(hits, among):
            best = among
    if best is None:
        raise TrainingError(_broken(promise, judge, [hit for _, hit in standing], "answers that give it"))
    if best == len(standing):
        return floor
    return _between(standing[best][0], standing[best - 1][0])


def _for_recall(promise: Promise, examples: Sequence[Example], answers: Sequence[Annotation], judge: _Judge) -> float:
    """The lowest threshold for the other labels under which few enough of the label's texts stand under them."""
    if figures.marks_spans(examples):
        raise TrainingError(
            f"--promise {str(promise)!r}: a span that was not found has no score, so no threshold can promise recall; "
            "promise a precision instead"
        )
    total = _held(promise.label, examples)
    misses = sorted((score for _, score in _misses(promise.label, examples, answers)), reverse=True)
    allowed = next((n for n in range(len(misses), -1, -1) if judge.enough(total - n, total)), None)
    if allowed == len(misses):
        return 0.0
    if allowed is None or misses[allowed] >= 1:
        right = [place >= len(misses) for place in range(total)]
        raise TrainingError(_broken(promise, judge, right, "texts of it"))
    others = [one.labels[0].score for one in answers if one.labels and one.labels[0].score > misses[allowed]]
    return _between(misses[allowed], min(others, default=1.0))


def _between(low: float, high: float) -> float:
    """A score above one and not above the other: in the middle, and short, where there is room."""
    middle = round((low + high) / 2, 6)
    return middle if low < middle <= high else high


def _broken(promise: Promise, judge: _Judge, hits: Sequence[bool], among: str) -> str:
    said = (
        f"no threshold keeps the promise {str(promise)!r} on the evaluation set; nothing is published. "
        f"Of {len(hits):,} {among} there, {sum(hits):,} are right without a threshold; wanted: {judge.wanted}. "
    )
    if judge.confidence and judge.share < 1:
        needed = int(np.ceil(np.log(1 - judge.confidence) / np.log(judge.share)))
        said += f"To show that much takes {needed:,} answers without an error. "
    return said + "Promise less, or give more evaluation data; --resume takes up the tuned model without tuning again."


def _misses(label: str, examples: Sequence[Example], answers: Sequence[Annotation]) -> list[tuple[str, float]]:
    """The other label that a text of this label was given, and its score, for each such text."""
    return [
        (answer.labels[0].label, answer.labels[0].score)
        for example, answer in zip(examples, answers, strict=True)
        if example.label == label and answer.labels and answer.labels[0].label != label
    ]


def _held(label: str, examples: Sequence[Example]) -> int:
    """How often it is right to give a label."""
    if figures.marks_spans(examples):
        return sum(span.label == label for example in examples for span in example.spans or ())
    return sum(example.label == label for example in examples)


def _labels(answer: Annotation) -> set[str]:
    return {label.label for label in answer.labels}
