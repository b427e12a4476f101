"""What the model's logits say: probabilities of labels, and BIO tags as spans of the text. Pure functions of numpy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from classifyd.api import BundleError, Label, Span
from classifyd_bert.tokens import Window

OUTSIDE = "O"
SUREST = 1 - 1e-6
"""The probability above which, and the one below which, a span's score says no more."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What makes scores probabilities, and changes no answer.

    `temperature` divides all logits (Guo et al. 2017). The others turn how sure the model is of a span's kind into the
    probability that the whole span is right: sigmoid(sure * log(p) - doubt * log(1 - p) + offset) (Kull et al. 2017).
    With `sure` and `doubt` alike that is a logistic curve (Platt 1999); 1, 1 and 0 leave it as it is.
    """

    temperature: float = 1.0
    sure: float = 1.0
    doubt: float = 1.0
    offset: float = 0.0

    def of_span(self, sure: float) -> float:
        """The probability that a span is right, from that of its kind."""
        if (self.sure, self.doubt, self.offset) == (1.0, 1.0, 0.0):
            return sure
        inside = min(max(sure, 1 - SUREST), SUREST)
        return 1 / (1 + exp(self.doubt * log(1 - inside) - self.sure * log(inside) - self.offset))


PLAIN = Calibration()


def softmax(logits: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Probabilities along the last axis, calibrated by a temperature (Guo et al. 2017); float64."""
    scaled = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


# ---------------------------------------------------------------------- labels of whole texts


def combine(windows: Sequence[Window], logits: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """One text's logits from those of its windows: the mean, each window weighing as many tokens as it owns.

    Every token of the text thus counts once, and a last window that holds little new says little.
    """
    weights = _weights(windows)
    stacked = np.stack([np.asarray(row, np.float64) for row in logits])
    return np.asarray((stacked * weights[:, None]).sum(axis=0) / weights.sum())


def shares(windows: Sequence[Window]) -> list[float]:
    """What each window weighs in one text's answer; together 1."""
    weights = _weights(windows)
    return [float(weight) for weight in weights / weights.sum()]


def extent(window: Window) -> tuple[int, int]:
    """The code points [start, end) that a window read, also those that another was asked about; (0, 0) for none."""
    offsets = window.offsets[window.words >= 0]
    return (int(offsets[:, 0].min()), int(offsets[:, 1].max())) if len(offsets) else (0, 0)


def _weights(windows: Sequence[Window]) -> NDArray[np.float64]:
    weights = np.array([window.own.sum() for window in windows], np.float64)
    if not weights.any():
        weights[:] = 1  # an empty text is one window without a token of its own
    return weights


def ranked(labels: Sequence[str], scores: NDArray[np.float64]) -> tuple[Label, ...]:
    """The labels with their scores, likeliest first; equals in the order of the model's labels."""
    order = np.argsort(-scores, kind="stable")
    return tuple(Label(labels[place], float(scores[place])) for place in order)


# ---------------------------------------------------------------------- spans


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """A text's words in order: int arrays of their code points [start, end), and the logits of each, (words, tags)."""

    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    logits: NDArray[np.floating]


def words(windows: Sequence[Window], logits: Sequence[NDArray[np.floating]]) -> Words:
    """The words of one text from its windows and the logits of their tokens, (tokens, tags) each.

    A token's logits are those of the window that owns it, and a word's are those of its first token.
    """
    owned = [window.own for window in windows]
    offsets = np.concatenate([window.offsets[own] for window, own in zip(windows, owned, strict=True)])
    numbers = np.concatenate([window.words[own] for window, own in zip(windows, owned, strict=True)])
    rows = np.concatenate([row[: len(own)][own] for row, own in zip(logits, owned, strict=True)])
    first = np.flatnonzero(np.diff(numbers, prepend=-1))
    last = np.append(first[1:], len(numbers)) - 1 if len(first) else first
    return Words(offsets[first, 0], offsets[last, 1], rows[first])


@dataclass(frozen=True, slots=True)
class Bio:
    """A model's BIO tags in its own order: the kind of each (-1 outside), whether it begins, and the names of kinds."""

    kinds: tuple[int, ...]
    begins: tuple[bool, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, tags: Sequence[str]) -> "Bio":
        """The scheme of `O`, `B-X` and `I-X` tags. BundleError if there are others, or no `O`."""
        wrong = [tag for tag in tags if tag != OUTSIDE and not (tag[:2] in {"B-", "I-"} and tag[2:])]
        if wrong or OUTSIDE not in tags:
            raise BundleError(f'labels of a token model must be "O", "B-X" and "I-X", not {", ".join(tags)}')
        names = tuple(dict.fromkeys(tag[2:] for tag in tags if tag != OUTSIDE))
        kinds = tuple(-1 if tag == OUTSIDE else names.index(tag[2:]) for tag in tags)
        return cls(kinds, tuple(tag.startswith("B-") for tag in tags), names)

    def spans(self, text: str, found: Words, calibration: Calibration = PLAIN) -> tuple[Span, ...]:
        """The spans that the words' likeliest tags draw, in text order, none overlapping, without outer white space.

        As in conlleval and seqeval: B-X begins a span; I-X continues one of X that the word before it is in, and
        begins one otherwise. A blank line ends a span, for no name goes on behind it. A span's score is the mean over
        its words of P(B-X) + P(I-X), how sure the model is of the kind, wherever it sees the beginning; calibrated.
        """
        sums = self._sums(found, calibration)
        tags = np.argmax(found.logits, axis=1)
        runs = (part for run in _runs(tags, self.kinds, self.begins) for part in _parted(run, text, found))
        return tuple(
            Span(start, end, self.names[run.kind], calibration.of_span(_sure(sums, run)))
            for run in runs
            for start, end in [_trimmed(text, int(found.starts[run.first]), int(found.ends[run.last]))]
            if start < end
        )

    def highest(self, found: Words, calibration: Calibration) -> dict[str, float]:
        """By name the highest probability of a kind that any of the words has, 0 without words."""
        sums = self._sums(found, calibration)
        return {name: float(sums[:, kind].max(initial=0.0)) for kind, name in enumerate(self.names)}

    def _sums(self, found: Words, calibration: Calibration) -> NDArray[np.float64]:
        """The probability of each kind, begun or gone on, of each word: (words, kinds)."""
        scores = softmax(found.logits, calibration.temperature)
        return np.stack([scores[:, np.equal(self.kinds, kind)].sum(axis=1) for kind in range(len(self.names))], axis=1)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """A stretch without the white space around it; empty if it holds nothing else."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring words of one span, by place: the last is in it."""

    first: int
    last: int
    kind: int


def _sure(sums: NDArray[np.float64], run: _Run) -> float:
    """The mean probability of a run's kind over its words."""
    return min(1.0, float(sums[run.first : run.last + 1, run.kind].mean()))


def _runs(tags: NDArray[np.intp], kinds: Sequence[int], begins: Sequence[bool]) -> Iterator[_Run]:
    inside = np.flatnonzero(np.asarray(kinds)[tags] >= 0).tolist()
    run: _Run | None = None
    for place in inside:
        tag = int(tags[place])
        if run and place == run.last + 1 and kinds[tag] == run.kind and not begins[tag]:
            run = _Run(run.first, place, run.kind)
            continue
        if run:
            yield run
        run = _Run(place, place, kinds[tag])
    if run:
        yield run


def _parted(run: _Run, text: str, found: Words) -> Iterator[_Run]:
    """The run, cut at each blank line between its words."""
    first = run.first
    for place in range(run.first + 1, run.last + 1):
        gap = text[found.ends[place - 1] : found.starts[place]]
        if len(f"{gap}.".splitlines()) > 2:
            yield _Run(first, place - 1, run.kind)
            first = place
    yield _Run(first, run.last, run.kind)
