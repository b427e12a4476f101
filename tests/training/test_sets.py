import itertools
import random

import pytest

from classifyd.errors import TrainingError
from classifyd.training import checks, neighbours, sets
from classifyd.values import Example, TrainingSets

WORDS = [f"w{first}{second}" for first in "abcdefghij" for second in "abcdefghij"]


def text(chance: random.Random, words: int = 12) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(words))


def test_near_duplicates_share_a_group_and_strangers_do_not() -> None:
    texts = [
        "Win a prize of 500 pounds, call 0901 now to claim it before the offer ends tonight",
        "Win a prize of 900 pounds! Call 0777 now to claim it before the offer ends tonight",
        "Are we still on for lunch tomorrow at the usual place near the station",
    ]
    first, second, third = neighbours.group(texts)
    assert first == second != third


def test_grouping_finds_every_pair_that_comparing_all_would_find() -> None:
    chance = random.Random(3)
    texts = [text(chance) for _ in range(60)]
    texts += [" ".join([*one.split()[:-1], chance.choice(WORDS)]) for one in texts[:30]]
    groups = neighbours.group(texts)
    shingles = [neighbours._shingles(neighbours.normal_form(one)) for one in texts]
    for left in range(len(texts)):
        for right in range(left):
            if neighbours._alike(shingles[left], shingles[right], neighbours.SIMILARITY):
                assert groups[left] == groups[right]


def test_a_pair_that_is_only_just_alike_is_found() -> None:
    # Six shingles in common, two of each text's own: 6 of 10. Only the rarest of the six is filed and asked for.
    just, short_of = "a b c d e f g h {0}x {0}y", "a b c d e f g {0}x {0}y {0}z"
    assert neighbours.group([just.format("k"), just.format("l")]) == [0, 0]
    assert neighbours.group([short_of.format("k"), short_of.format("l")]) == [0, 1]


@pytest.mark.parametrize("own", [1, 4, 8, 20])
def test_notices_of_one_template_are_grouped_as_comparing_all_would_group_them(own: int) -> None:
    chance = random.Random(own)
    notices = [text(chance, 20) for _ in range(3)]
    texts = [f"{notices[place % 3]} {text(chance, chance.randint(1, own))}" for place in range(90)]
    shingles = [neighbours._shingles(neighbours.normal_form(one)) for one in texts]
    expected = list(range(len(texts)))
    for left, right in itertools.product(range(len(texts)), repeat=2):
        if neighbours._alike(shingles[left], shingles[right], neighbours.SIMILARITY):
            old, new = sorted((expected[left], expected[right]), reverse=True)
            expected = [new if one == old else one for one in expected]
    assert neighbours.group(texts) == expected


def test_near_duplicates_never_straddle_two_sets() -> None:
    chance = random.Random(5)
    examples = []
    for number in range(150):
        whole = text(chance, 20)
        copies = [whole, f"{whole} really", f"so {whole}"][: 1 + number % 3]
        examples += [Example(one, "spam" if number % 2 else "ham", source="x") for one in copies]
    split = sets.split(examples, 0.2, 0.2, seed=1)
    sides = [{" ".join(one.text.split()[2:18]) for one in side} for side in (split.train, split.evaluation, split.test)]
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
    assert len(split.train) + len(split.evaluation) + len(split.test) == len(examples)


def test_each_label_of_each_source_gives_its_share() -> None:
    chance = random.Random(7)
    examples = [
        Example(text(chance), label, source=source)
        for source, label, count in (("sms", "ham", 100), ("sms", "spam", 20), ("mail", "spam", 50))
        for _ in range(count)
    ]
    test = sets.split(examples, 0.1, 0.2, seed=2).test
    counts = {(one.source, one.label): 0 for one in test}
    for one in test:
        counts[one.source, one.label] += 1
    assert counts == {("sms", "ham"): 20, ("sms", "spam"): 4, ("mail", "spam"): 10}


def test_the_same_seed_gives_the_same_split() -> None:
    chance = random.Random(9)
    examples = [Example(text(chance), "ham" if number % 2 else "spam") for number in range(60)]
    assert sets.split(examples, 0.1, 0.1, seed=4) == sets.split(examples, 0.1, 0.1, seed=4)
    assert sets.split(examples, 0.1, 0.1, seed=4) != sets.split(examples, 0.1, 0.1, seed=5)


def test_copies_contradictions_and_empty_texts_are_set_aside() -> None:
    cleaned = sets.clean(
        [
            Example("Call 123 now", "spam"),
            Example("call  456 NOW!", "spam"),
            Example("hello", "ham"),
            Example("Hello!", "spam"),
            Example("   ", "ham"),
            Example("fine", "ham"),
        ]
    )
    assert [one.text for one in cleaned.examples] == ["Call 123 now", "fine"]
    assert (cleaned.duplicates, cleaned.contradictory, cleaned.empty) == (2, 1, 1)


def test_training_keeps_no_neighbour_of_a_held_out_text() -> None:
    long = "the quick brown fox jumps over the lazy dog and runs home"
    kept = sets.without_neighbours(
        [Example(f"{long} again", "a"), Example("something else", "b")], [Example(long, "a")]
    )
    assert [one.text for one in kept] == ["something else"]


@pytest.mark.parametrize(
    ("examples", "said"),
    [
        ([], "no labelled text"),
        ([Example(f"text {number}", "ham") for number in range(9)], "at least two are needed"),
        ([Example(f"a {n}", "ham") for n in range(9)] + [Example("b", "spam")], r"fewer than 5 .*'spam' \(1\)"),
        ([Example("a", spans=()) for _ in range(9)], "nothing to learn"),
    ],
)
def test_training_that_makes_no_sense_is_refused(examples: list[Example], said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        checks.refuse(examples)


def test_a_label_only_in_the_test_set_is_refused() -> None:
    ready = TrainingSets((Example("a", "ham"),), (), (Example("b", "eggs"),), ("ham", "spam"))
    with pytest.raises(TrainingError, match=r"test set has labels that the training set lacks: eggs"):
        checks.refuse_strangers(ready)
