"""What is in labelled data before anything is learnt from it: counts, copies, leaks, lengths, broken characters."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Any

from classifyd.training import checks, encoding, neighbours
from classifyd.values import Example, TextLengths

SAMPLES = 3
SAMPLE_CHARS = 60
SKEWED = 10
"""How many times as many examples as the rarest label the commonest has when the classes count as skewed."""

LEAKS = {
    ("training", "evaluation"): "left out of training",
    ("training", "test"): "left out of training",
    ("evaluation", "test"): "the figures will flatter; take them out of one of the two",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know of the data. `text` holds no text of the data; `samples` do, shortened."""

    name: str
    number: int
    text: str
    warning: bool = True
    samples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """How many texts a set holds, and how often each label occurs in it: texts, or spans."""

    name: str
    texts: int
    labels: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Spread:
    """Tokens per text, and how many texts (of `texts`) are over the `window` that the model takes at once."""

    median: int
    ninety_fifth: int
    longest: int
    window: int
    over: int
    texts: int


@dataclass(frozen=True, slots=True)
class Survey:
    """Counts of each set, what was found, tokens per text; `refusal` is why training makes no sense, None if it does.

    `lengths` is None for a task that does not tell.
    """

    counts: tuple[Counts, ...]
    findings: tuple[Finding, ...]
    lengths: Spread | None = None
    refusal: str | None = None

    def lines(self) -> list[str]:
        """All of it but the refusal as sentences, without a text of the data."""
        lines = [
            f"{one.name}: {one.texts:,} texts; "
            + ", ".join(f"{label} {number:,}" for label, number in sorted(one.labels.items()))
            for one in self.counts
            if one.texts
        ]
        if self.lengths:
            lines.append(in_words(self.lengths))
        return [*lines, *(f"{'warning: ' if one.warning else ''}{one.text}" for one in self.findings)]

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values, samples included."""
        length = self.lengths
        return {
            "refusal": self.refusal,
            "sets": {one.name: {"texts": one.texts, "labels": dict(sorted(one.labels.items()))} for one in self.counts},
            "tokens": length
            and {
                "median": length.median,
                "95th": length.ninety_fifth,
                "longest": length.longest,
                "window": length.window,
                "over": length.over,
                "share_over": round(length.over / length.texts, 4),
            },
            "findings": [
                {
                    "name": one.name,
                    "number": one.number,
                    "warning": one.warning,
                    "text": one.text,
                    "samples": list(one.samples),
                }
                for one in self.findings
            ],
        }


def in_words(lengths: Spread) -> str:
    """Tokens per text as a sentence."""
    return (
        f"tokens per text: median {lengths.median:,}, 95 % up to {lengths.ninety_fifth:,}, longest "
        f"{lengths.longest:,}; {lengths.over:,} ({lengths.over / lengths.texts:.1%}) over "
        f"{lengths.window} are read in windows"
    )


def spread(lengths: TextLengths) -> Spread | None:
    """Lengths summed up; None without texts."""
    tokens = sorted(lengths.tokens)
    if not tokens:
        return None
    high = tokens[min(len(tokens) - 1, int(0.95 * len(tokens)))]
    over = sum(one > lengths.window for one in tokens)
    return Spread(round(median(tokens)), high, tokens[-1], lengths.window, over, len(tokens))


def count(name: str, examples: Sequence[Example]) -> Counts:
    """The counts of one set."""
    return Counts(name, len(examples), checks.count(examples))


def findings(given: Mapping[str, Sequence[Example]], training: Sequence[Example]) -> Iterator[Finding]:
    """What is to be known of sets as they were given, by name, and of `training`, from which copies are gone already.

    A set split off later is not among those given: it can hold no copy of what is learnt from.
    """
    for name, examples in given.items():
        yield from _copies(name, examples)
    yield from _near("training", training)
    held_out = {name: examples for name, examples in given.items() if name != "training"}
    yield from _leaks({"training": training, **held_out})
    for name, examples in given.items():
        yield from _encoding(name, examples)
    yield from _balance(training)


def _copies(name: str, examples: Sequence[Example]) -> Iterator[Finding]:
    """Texts that are empty, there twice, or under two labels."""
    kept: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        kept[neighbours.form(example.text)].append(example)
    empty = len(kept.pop("", ()))
    if empty:
        yield Finding("empty", empty, f"{name}: {empty:,} empty texts" + _aside(name))
    copied = [group for group in kept.values() if len(group) > 1]
    copies = sum(len(group) - 1 for group in copied)
    if copies:
        same = sum(len(group) - len({example.text for example in group}) for group in copied)
        said = f"{name}: {copies:,} second copies ({same:,} to the letter, the others but for spacing, case or digits)"
        yield Finding("copies", copies, said + _aside(name), warning=False, samples=_samples(one[0] for one in copied))
    torn = [group for group in copied if len({example.label for example in group}) > 1]
    if torn:
        samples = _samples((group[0] for group in torn), lambda i: _labels(torn[i]))
        said = f"{name}: {len(torn):,} texts under two labels" + _aside(name)
        yield Finding("two_labels", len(torn), said, True, samples)


def _aside(name: str) -> str:
    return ", set aside" if name == "training" else "; they are measured as they are"


def _near(name: str, examples: Sequence[Example]) -> Iterator[Finding]:
    """Texts that are nearly those of others of the same set."""
    groups: dict[int, list[Example]] = defaultdict(list)
    for example, number in zip(examples, neighbours.group([one.text for one in examples]), strict=True):
        groups[number].append(example)
    several = [group for group in groups.values() if len(group) > 1]
    if several:
        number = sum(map(len, several))
        said = f"{name}: {number:,} texts in {len(several):,} groups of near-duplicates; no split parts a group"
        samples = tuple(" ~ ".join(_short(one.text) for one in group[:2]) for group in several[:SAMPLES])
        yield Finding("near_duplicates", number, said, False, samples)


def _leaks(sets: Mapping[str, Sequence[Example]]) -> Iterator[Finding]:
    """Texts of one set that stand, or nearly stand, in another too."""
    if len(sets) < 2:
        return
    numbers = iter(neighbours.group([example.text for examples in sets.values() for example in examples]))
    groups = {name: [next(numbers) for _ in examples] for name, examples in sets.items()}
    for first, second in combinations(sets, 2):
        inside = set(groups[first])
        near = [example for example, number in zip(sets[second], groups[second], strict=True) if number in inside]
        if not near:
            continue
        forms = {neighbours.form(example.text) for example in sets[first]}
        exact = sum(neighbours.form(example.text) in forms for example in near)
        share = len(near) / len(sets[second])
        said = (
            f"leak: {len(near):,} texts of the {second} set ({share:.1%}) stand in the {first} set too, {exact:,} of "
            f"them but for spacing, case or digits the same; {LEAKS[first, second]}"
        )
        yield Finding(f"leak_{first}_{second}", len(near), said, True, _samples(near))


def _encoding(name: str, examples: Sequence[Example]) -> Iterator[Finding]:
    """Texts whose characters say that they were decoded wrongly somewhere on their way."""
    for trouble in encoding.TROUBLES:
        hit = [example for example in examples if trouble.is_in(example.text)]
        if hit:
            said = f"{name}: {len(hit):,} texts with {trouble.what} ({len(hit) / len(examples):.1%}); {trouble.advice}"
            yield Finding(trouble.name, len(hit), said, True, tuple(trouble.shown(one.text) for one in hit[:SAMPLES]))


def _balance(training: Sequence[Example]) -> Iterator[Finding]:
    counts = Counter(checks.count(training))
    yield from _spellings(counts)
    few = {label: number for label, number in counts.items() if number < checks.FEW}
    if few:
        named = ", ".join(f"{label} {number}" for label, number in sorted(few.items()))
        yield Finding("few", len(few), f"few examples (under {checks.FEW}): {named}")
    if len(counts) > 1:
        (most, high), (least, low) = counts.most_common()[0], counts.most_common()[-1]
        if high >= SKEWED * low:
            yield Finding("skew", round(high / low), f"skewed: {high / low:.0f} times as many of {most} as of {least}")


def _spellings(labels: Iterable[str]) -> Iterator[Finding]:
    """Labels that differ in letter case or in what joins their words, and are likely one."""
    alike: dict[str, list[str]] = defaultdict(list)
    for label in sorted(labels):
        alike[re.sub(r"[\s_-]+", " ", label).casefold()].append(label)
    for spellings in alike.values():
        if len(spellings) > 1:
            joined = ",".join(f"{other}={spellings[-1]}" for other in spellings[:-1])
            said = f"labels that look like one: {', '.join(spellings)}; if they are, join them with --map {joined}"
            yield Finding("spellings", len(spellings), said)


def _samples(examples: Iterable[Example], after: Any = None) -> tuple[str, ...]:
    pairs = zip(range(SAMPLES), examples, strict=False)
    return tuple(_short(example.text) + (f" ({after(place)})" if after else "") for place, example in pairs)


def _labels(group: Sequence[Example]) -> str:
    return ", ".join(sorted({str(example.label) for example in group}))


def _short(text: str) -> str:
    whole = " ".join(text.split())
    return whole if len(whole) <= SAMPLE_CHARS else f"{whole[: SAMPLE_CHARS - 1]}…"
