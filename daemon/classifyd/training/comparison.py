"""Whether one model is better than another on the same texts, and whether that is more than noise.

The texts are drawn anew with replacement, both models' answers with them, and the differences of those samples give
the interval (paired bootstrap, percentile method: Efron & Tibshirani 1993; Berg-Kirkpatrick, Burkett & Klein 2012).
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal, TypeVar

from classifyd.training.evaluation import Evaluation, ForLabel, given, measure, strays
from classifyd.values import Annotation, Example

RESAMPLES = 1000
SEED = 42
CONFIDENCE = 0.95

Verdict = Literal["better", "worse", "level"]

_Pair = tuple[float, float]
"""A figure of the model before and of the one after."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both models on all texts, and the interval in which 95 % of the drawn differences lie."""

    before: float
    after: float
    low: float
    high: float

    @property
    def change(self) -> float:
        """What was gained; below 0 what was lost."""
        return self.after - self.before

    @property
    def verdict(self) -> Verdict:
        """Better or worse if the whole interval lies on that side of 0; level if noise could be all of it."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "level"

    def __str__(self) -> str:
        return f"{self.before:.4f} -> {self.after:.4f} ({self.change:+.4f}, 95 % of samples {_span(self)})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed between two models on the same texts.

    `f1` is the mean over labels (macro) of labels and of all spans together (micro) of spans, as in `Evaluation`;
    `accuracy` is None for spans. `turned_right` and `turned_wrong` count texts. `labels` has the figures before and
    after of each label; None where a model never gave it and no text has it.
    """

    examples: int
    f1: Difference
    accuracy: Difference | None
    turned_right: int
    turned_wrong: int
    labels: Mapping[str, tuple[ForLabel | None, ForLabel | None]]

    @property
    def verdict(self) -> Verdict:
        """The verdict on F1, by which a model is better, worse, or as good as the other."""
        return self.f1.verdict

    def sentence(self, before: str, after: str) -> str:
        """The verdict in plain words; `before` and `after` are the models' names."""
        interval = f"F1 {self.f1.change:+.4f}, 95 % of samples {_span(self.f1)}, {self.examples:,} texts"
        if self.verdict == "level":
            return f"{after} is neither better nor worse than {before}: the difference may be noise ({interval})."
        return f"{after} is {self.verdict} than {before}, by more than noise ({interval})."

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values, rounded to four digits."""
        return {
            "verdict": self.verdict,
            "examples": self.examples,
            "resamples": RESAMPLES,
            "f1": _json(self.f1),
            "accuracy": _json(self.accuracy),
            "turned_right": self.turned_right,
            "turned_wrong": self.turned_wrong,
            "labels": {
                label: {
                    "before": None if before is None else before.as_json(),
                    "after": None if after is None else after.as_json(),
                }
                for label, (before, after) in self.labels.items()
            },
        }


def compare(before: Sequence[Annotation], after: Sequence[Annotation], examples: Sequence[Example]) -> Comparison:
    """What changed from one model's answers to the other's, `examples` being what is right, all in the same order.

    The same answers give the same comparison: the samples are drawn from a fixed seed.
    """
    figures = measure("before", examples, before), measure("after", examples, after)
    if examples[0].spans is None:
        samples = _samples(Counter(map(_label_outcome, examples, before, after)), _macro_f1_and_accuracy)
    else:
        samples = _samples(Counter(map(_span_outcome, examples, before, after)), _micro_f1)
    f1 = _difference(figures[0].f1, figures[1].f1, [sample[0] for sample in samples])
    accuracy = None
    if figures[0].accuracy is not None and figures[1].accuracy is not None:
        accuracy = _difference(figures[0].accuracy, figures[1].accuracy, [sample[1] for sample in samples])
    was, became = ([right(*pair) for pair in zip(examples, said, strict=True)] for said in (before, after))
    return Comparison(
        len(examples),
        f1,
        accuracy,
        sum(now and not then for then, now in zip(was, became, strict=True)),
        sum(then and not now for then, now in zip(was, became, strict=True)),
        _labels(*figures),
    )


def right(example: Example, answer: Annotation) -> bool:
    """Whether everything that was said of one text is right, and nothing is missing."""
    return given(answer) == example.label if example.spans is None else not any(strays(example, answer))


# ---------------------------------------------------------------------- outcomes, drawn again and again

_Figures = Sequence[_Pair]
_LabelOutcome = tuple[str, str, str]
"""The right label of a text, and those given before and after."""

_SpanOutcome = tuple[int, int, int, int, int]
"""How many spans of a text are right; how many were given and hit before, and after."""

_Outcome = TypeVar("_Outcome", _LabelOutcome, _SpanOutcome)


def _label_outcome(example: Example, before: Annotation, after: Annotation) -> _LabelOutcome:
    return str(example.label), given(before), given(after)


def _span_outcome(example: Example, before: Annotation, after: Annotation) -> _SpanOutcome:
    counts = [
        count
        for answer in (before, after)
        for count in (len(answer.spans or ()), len(answer.spans or ()) - len(strays(example, answer)[0]))
    ]
    return len(example.spans or ()), counts[0], counts[1], counts[2], counts[3]


def _samples(
    outcomes: Counter[_Outcome], figures: Callable[[Mapping[_Outcome, int]], _Figures]
) -> Sequence[Sequence[float]]:
    """The differences of each figure in each sample. Texts with the same outcome are one kind, drawn by its share."""
    chance = random.Random(SEED)  # noqa: S311  # samples, not a secret
    kinds, shares = list(outcomes), list(accumulate(outcomes.values()))
    drawn = (Counter(chance.choices(kinds, cum_weights=shares, k=shares[-1])) for _ in range(RESAMPLES))
    return [[after - before for before, after in figures(sample)] for sample in drawn]


def _macro_f1_and_accuracy(outcomes: Mapping[_LabelOutcome, int]) -> _Figures:
    pairs: tuple[Counter[tuple[str, str]], ...] = (Counter(), Counter())
    for (truth, before, after), count in outcomes.items():
        pairs[0][truth, before] += count
        pairs[1][truth, after] += count
    (f1, accuracy), (other_f1, other_accuracy) = map(_of_labels, pairs)
    return (f1, other_f1), (accuracy, other_accuracy)


def _of_labels(pairs: Mapping[tuple[str, str], int]) -> _Pair:
    """Macro F1 over the labels that some text has, and accuracy."""
    hits: Counter[str] = Counter()
    holds: Counter[str] = Counter()
    gave: Counter[str] = Counter()
    for (truth, said), count in pairs.items():
        holds[truth] += count
        gave[said] += count
        hits[truth] += count if truth == said else 0
    f1 = sum(2 * hits[label] / (holds[label] + gave[label]) for label in holds) / len(holds)
    return f1, hits.total() / holds.total()


def _micro_f1(outcomes: Mapping[_SpanOutcome, int]) -> _Figures:
    held, gave, hits, gave_after, hits_after = (
        sum(outcome[place] * count for outcome, count in outcomes.items()) for place in range(5)
    )
    return ((_f1(hits, gave + held), _f1(hits_after, gave_after + held)),)


def _f1(hits: int, given_and_right: int) -> float:
    return 2 * hits / given_and_right if given_and_right else 0.0


def _difference(before: float, after: float, drawn: Sequence[float]) -> Difference:
    ordered = sorted(drawn)
    cut = round(len(ordered) * (1 - CONFIDENCE) / 2)
    return Difference(before, after, ordered[cut], ordered[-1 - cut])


def _labels(before: Evaluation, after: Evaluation) -> dict[str, tuple[ForLabel | None, ForLabel | None]]:
    names = sorted({*before.labels, *after.labels})
    return {name: (before.labels.get(name), after.labels.get(name)) for name in names}


def _span(one: Difference) -> str:
    return f"{one.low:+.4f} to {one.high:+.4f}"


def _json(one: Difference | None) -> dict[str, float] | None:
    if one is None:
        return None
    return {name: round(getattr(one, name), 4) for name in ("before", "after", "change", "low", "high")}
