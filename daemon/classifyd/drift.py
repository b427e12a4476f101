"""Whether what a model says of late has parted from what it said of its held-out set: the measures and their bounds.

The mix of labels is measured by the population stability index, warned of from 0.25 (Siddiqi, Credit Risk Scorecards,
2006); the mean score by Cohen's d and shares by Cohen's h, warned of from 0.5, a medium effect (Cohen, Statistical
Power Analysis for the Behavioral Sciences, 1988).
"""

import math
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from classifyd.reports import Profile

LEAST = 500
"""Of fewer labels, spans or records nothing is said: chance alone would move the measures."""
WINDOW_RECORDS = 5000
BLOCK_RECORDS = 100
"""Small jobs are kept together in so many records: a window of single mails would be long."""
OTHER = "(other)"
"""What labels are counted as that the baseline does not have."""
MOST_STRANGE = 100
"""So many labels of a block that the baseline does not have keep their names: a plugin may make up any number."""
LEAST_DEVIATION = 0.01

BOUNDS = {"labels": 0.25, "score": 0.5, "review": 0.5, "unknown": 0.5}
"""From where on each measure is warned of."""
NAMES = {"labels": "label mix", "score": "mean score", "review": "share for review", "unknown": "unknown tokens"}


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a bundle's model said of its held-out set; empty, or None, where the bundle does not tell.

    `labels` counts labels of texts, or spans by label; `score` is the mean and the standard deviation of their scores;
    `review` is the share of texts that are for review, `unknown` that of tokens which the vocabulary has not.
    """

    labels: Mapping[str, float]
    score: tuple[float, float] | None = None
    review: float | None = None
    unknown: float | None = None

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "Baseline":
        """A manifest's; of one from before there were any, the mix of labels that its figures imply."""
        told = manifest.get("baseline")
        if not isinstance(told, Mapping):
            return cls(_implied(manifest.get("metrics")))
        labels = told.get("labels")
        counts = labels.items() if isinstance(labels, Mapping) else ()
        mean, deviation = _number(told.get("score_mean")), _number(told.get("score_deviation"))
        return cls(
            {str(label): count for label, given in counts if (count := _number(given)) is not None},
            None if mean is None or deviation is None else (mean, deviation),
            _number(told.get("review_share")),
            _number(told.get("unknown_share")),
        )

    @property
    def measures(self) -> tuple[str, ...]:
        """What can be measured against it."""
        mix = self.labels if len(self.labels) > 1 else None
        has = {"labels": mix, "score": self.score, "review": self.review, "unknown": self.unknown}
        return tuple(name for name, told in has.items() if told is not None)


@dataclass(frozen=True, slots=True)
class Parting:
    """How far one measure has parted from the baseline: a warning from `bound` on.

    `before` and `now` say for people what the baseline has and what there is.
    """

    measure: str
    value: float
    bound: float
    before: str
    now: str

    @classmethod
    def of(cls, measure: str, value: float, before: str, now: str) -> "Parting":
        """One with the bound of its measure."""
        return cls(measure, round(value, 4), BOUNDS[measure], before, now)

    def __str__(self) -> str:
        return f"{NAMES[self.measure]} {self.value:.2f}, {self.now} where the baseline has {self.before}"


@dataclass(frozen=True, slots=True)
class Drift:
    """How a task fares against its baseline. `records` are in the window; what has too few of them is not measured.

    `known` are the measures that the bundle has a baseline of. `warned` is whether the configuration wants warnings.
    """

    version: int
    records: int = 0
    known: tuple[str, ...] = ()
    partings: tuple[Parting, ...] = ()
    warned: bool = True

    @property
    def warnings(self) -> tuple[Parting, ...]:
        """What is to be warned of."""
        return tuple(one for one in self.partings if self.warned and one.value >= one.bound)


class Window:
    """The profile of the newest records of one version, in `blocks`, the oldest first."""

    def __init__(self, blocks: Iterable[Profile] = ()) -> None:
        self._blocks = deque(blocks)

    @property
    def blocks(self) -> tuple[Profile, ...]:
        """What another window begins with to be the same."""
        return tuple(self._blocks)

    def add(self, profile: Profile, known: Collection[str] = ()) -> None:
        """Take in the records of a job; the oldest go where enough newer ones are there.

        `known` are the labels that the baseline has.
        """
        if self._blocks and self._blocks[-1].records < BLOCK_RECORDS:
            profile = _together([self._blocks.pop(), profile])
        self._blocks.append(_bounded(profile, known))
        total = sum(block.records for block in self._blocks)
        while total - self._blocks[0].records >= WINDOW_RECORDS:
            total -= self._blocks.popleft().records

    def total(self) -> Profile:
        """All of them together."""
        return _together(self._blocks)


def drift(now: Profile, before: Baseline, *, reviews: bool = True, warned: bool = True) -> Drift:
    """How far a profile has parted from a baseline; without `reviews` their share is not compared."""
    known = tuple(name for name in before.measures if reviews or name != "review")
    partings = (parting for parting in _partings(now, before) if parting.measure in known)
    return Drift(now.version or 0, now.records, known, tuple(partings), warned)


def _partings(now: Profile, before: Baseline) -> Iterator[Parting]:
    given = sum(now.labels.values())
    if given >= LEAST and before.labels:
        yield _mix(now.labels, before.labels)
    if given >= LEAST and before.score:
        mean, deviation = before.score
        found = now.scores / given
        yield Parting.of("score", abs(found - mean) / max(deviation, LEAST_DEVIATION), f"{mean:.3f}", f"{found:.3f}")
    if now.records < LEAST:
        return
    if before.review is not None:
        yield _share("review", now.reviews / now.records, before.review)
    if before.unknown is not None and now.tokens:
        yield _share("unknown", now.unknown / now.tokens, before.unknown)


def _mix(now: Mapping[str, float], before: Mapping[str, float]) -> Parting:
    """The index, and the label that has most part in it. Half a count goes to each, so that none is empty."""
    pooled: Counter[str] = Counter()
    for label, count in now.items():
        pooled[label if label in before else OTHER] += int(count)
    labels = [*before, *([OTHER] if pooled[OTHER] else [])]
    shares = [
        (
            _smoothed(pooled[label], sum(pooled.values()), len(labels)),
            _smoothed(before.get(label, 0), total, len(labels)),
        )
        for total in [sum(before.values())]
        for label in labels
    ]
    terms = [(new - old) * math.log(new / old) for new, old in shares]
    place = max(range(len(terms)), key=terms.__getitem__)
    new, old = shares[place]
    return Parting.of("labels", sum(terms), f"{old:.1%}", f"{labels[place]} {new:.1%}")


def _smoothed(count: float, total: float, kinds: int) -> float:
    return (count + 0.5) / (total + 0.5 * kinds)


def _share(measure: str, now: float, before: float) -> Parting:
    """Cohen's h: the difference of the shares' arcsines, which makes those near nought and one comparable."""
    value = abs(2 * math.asin(math.sqrt(min(now, 1.0))) - 2 * math.asin(math.sqrt(min(before, 1.0))))
    return Parting.of(measure, value, f"{before:.1%}", f"{now:.1%}")


def _together(profiles: Sequence[Profile]) -> Profile:
    labels: Counter[str] = Counter()
    for one in profiles:
        labels.update(one.labels)
    return Profile(
        profiles[0].task,
        profiles[0].version,
        sum(one.records for one in profiles),
        labels,
        sum(one.scores for one in profiles),
        sum(one.reviews for one in profiles),
        sum(one.tokens for one in profiles),
        sum(one.unknown for one in profiles),
    )


def _bounded(profile: Profile, known: Collection[str]) -> Profile:
    """With MOST_STRANGE labels that are not known, the first of them, and the others counted as one."""
    strange = [label for label in profile.labels if label not in known and label != OTHER]
    if len(strange) <= MOST_STRANGE:
        return profile
    labels = Counter(profile.labels)
    for label in strange[MOST_STRANGE:]:
        labels[OTHER] += labels.pop(label)
    return replace(profile, labels=labels)


def _implied(metrics: object) -> dict[str, float]:
    """How often each label was given on the test set: what is right of it is its recall, and its precision."""
    figures = metrics.get("labels") if isinstance(metrics, Mapping) else None
    counts = {}
    for label, one in figures.items() if isinstance(figures, Mapping) else ():
        told = (
            [_number(one.get(name)) for name in ("recall", "support", "precision")] if isinstance(one, Mapping) else []
        )
        if not told or None in told:
            return {}
        recall, support, precision = (value or 0.0 for value in told)
        counts[str(label)] = recall * support / precision if precision else 0.0
    return counts


def _number(value: object) -> float | None:
    """A number that can be a count, a mean or a share; None for what is none: a manifest may hold anything."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        return None
    return float(value)
