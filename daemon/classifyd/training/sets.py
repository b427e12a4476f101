"""Labelled examples to training, evaluation and test sets: no text twice, no near-duplicate on two sides."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from classifyd.training import neighbours
from classifyd.values import Example


@dataclass(frozen=True, slots=True)
class Split:
    """Shares of a set, as tuples of examples in the order they came."""

    train: tuple[Example, ...]
    evaluation: tuple[Example, ...]
    test: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Examples worth learning from, and how many were set aside for which reason."""

    examples: tuple[Example, ...]
    empty: int
    duplicates: int
    contradictory: int


def clean(examples: Iterable[Example]) -> Cleaned:
    """Without empty texts, without second copies, and without texts that stand under two labels.

    Copies are texts that differ in spacing, letter case, punctuation or digits only. For span tasks two different
    annotations of the same words are not a contradiction (what was masked may differ): the first is kept.
    """
    kept: dict[str, Example] = {}
    contradictory: set[str] = set()
    empty = total = 0
    for example in examples:
        total += 1
        key = neighbours.form(example.text)
        if not key:
            empty += 1
            continue
        first = kept.setdefault(key, example)
        if first.label != example.label:
            contradictory.add(key)
    left = tuple(example for key, example in kept.items() if key not in contradictory)
    return Cleaned(left, empty, total - empty - len(kept), len(contradictory))


def split(examples: Sequence[Example], evaluation: float, test: float, seed: int) -> Split:
    """Shares of every label of every source, near-duplicates kept together; the same for the same examples and seed.

    Shares are of examples; a group goes whole where its first example's label and source still lack some.
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(neighbours.group([example.text for example in examples])):
        groups[group].append(index)
    order = list(groups.values())
    random.Random(seed).shuffle(order)  # noqa: S311  # a shuffle, not a secret
    sizes = Counter(_stratum(example) for example in examples)
    wanted = [{stratum: share * size for stratum, size in sizes.items()} for share in (evaluation, test)]
    sides: list[list[int]] = [[], [], []]
    for members in order:
        side = _side(examples, members, wanted)
        sides[side].extend(members)
        for index in members if side else ():
            wanted[side - 1][_stratum(examples[index])] -= 1
    return Split(*(tuple(examples[index] for index in sorted(side)) for side in sides))


def without_neighbours(train: Sequence[Example], held_out: Sequence[Example]) -> tuple[Example, ...]:
    """`train` less every text that is a near-duplicate of a held-out one, so that a test set stays unseen."""
    numbers = neighbours.group([example.text for example in (*held_out, *train)])
    seen = set(numbers[: len(held_out)])
    return tuple(example for example, number in zip(train, numbers[len(held_out) :], strict=True) if number not in seen)


def _stratum(example: Example) -> tuple[str, str]:
    """What is shared out evenly: labels within each source; for spans, texts with and without any."""
    return example.source, example.label if example.label is not None else str(bool(example.spans))


def _side(examples: Sequence[Example], members: Sequence[int], wanted: Sequence[dict[tuple[str, str], float]]) -> int:
    """0 for training, 1 for evaluation, 2 for test: the first held-out set that has room for the whole group."""
    stratum = _stratum(examples[members[0]])
    for number, open_places in enumerate(wanted, start=1):
        if open_places[stratum] >= max(len(members), 0.5):
            return number
    return 0
