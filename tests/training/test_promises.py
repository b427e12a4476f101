"""Promises of precision and recall become thresholds that keep them, or a refusal that says why not."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifyd.api import Annotation, Example, Label, Span, TrainingError
from classifyd_bert import promises
from classifyd_bert.promises import Promise, Thresholds

LABELS = ("ham", "spam")
Case = tuple[str, str, float]
"""The right label, the one given, and its score."""


def texts(cases: Sequence[Case]) -> tuple[list[Example], list[Annotation]]:
    examples = [Example(f"text {place}", right) for place, (right, _, _) in enumerate(cases)]
    answers = [
        Annotation(labels=(Label(said, score), Label("ham" if said == "spam" else "spam", 1 - score)))
        for _, said, score in cases
    ]
    return examples, answers


cases = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS), st.floats(0.5, 0.99)), min_size=1)


@given(cases, st.sampled_from([0.5, 0.8, 0.9, 1.0]))
def test_a_precision_is_kept_by_the_lowest_threshold_that_keeps_it(found: list[Case], share: float) -> None:
    examples, answers = texts(found)
    promise = Promise("spam", "precision", share)
    given_spam = [(score, right == "spam") for right, said, score in found if said == "spam"]

    def precision(threshold: float) -> float | None:
        hits = [hit for score, hit in given_spam if score >= threshold]
        return sum(hits) / len(hits) if hits else None

    keeping = [score for score, _ in given_spam if (precision(score) or 0) >= share]
    if not keeping:
        with pytest.raises(TrainingError, match="no threshold keeps the promise"):
            promises.keep([promise], examples, answers)
        return
    threshold = promises.keep([promise], examples, answers)["spam"]
    assert [score for score, _ in given_spam if score >= threshold] == [
        score for score, _ in given_spam if score >= min(keeping)
    ]
    kept = promises.kept(promise, Thresholds(0.8, {"spam": threshold}), examples, answers)
    assert kept.share >= share


@given(cases, st.sampled_from([0.5, 0.8, 0.9, 1.0]))
def test_a_recall_is_kept_by_reviewing_the_other_labels(found: list[Case], share: float) -> None:
    examples, answers = texts(found)
    promise = Promise("spam", "recall", share)
    if not any(right == "spam" for right, _, _ in found):
        return
    thresholds = promises.keep([promise], examples, answers)
    assert set(thresholds) <= {"ham"}
    assert promises.kept(promise, Thresholds(0.0, thresholds), examples, answers).share >= share
    lower = {label: threshold - 1e-4 for label, threshold in thresholds.items()}
    misses = sum(right == "spam" and said == "ham" and score >= lower.get("ham", 2) for right, said, score in found)
    spam = sum(right == "spam" for right, _, _ in found)
    # A threshold is set only where without one too many would stand.
    assert not thresholds or (spam - sum(r == "spam" and s == "ham" for r, s, _ in found)) / spam < share
    assert misses <= spam


def test_several_promises_are_kept_together() -> None:
    chance = random.Random(3)
    found = []
    for _ in range(2000):
        right, score = chance.choice(LABELS), chance.uniform(0.5, 1)
        said = right if chance.random() < score else ("ham" if right == "spam" else "spam")
        found.append((right, said, score))
    examples, answers = texts(found)
    wanted = [Promise("spam", "precision", 0.9), Promise("spam", "recall", 0.9), Promise("ham", "precision", 0.85)]
    thresholds = Thresholds(0.8, promises.keep(wanted, examples, answers))
    assert all(promises.kept(one, thresholds, examples, answers).share >= one.share for one in wanted)
    first = promises.kept(wanted[0], thresholds, examples, answers)
    assert first.recall < first.recall_without
    assert first.low < first.share < first.high


def test_confidence_asks_for_more_than_the_share_that_came_out() -> None:
    found: list[Case] = [("spam", "spam", 0.9)] * 200 + [("ham", "spam", 0.6)] * 4
    examples, answers = texts(found)
    promise = Promise("spam", "precision", 0.98)
    assert promises.keep([promise], examples, answers)["spam"] == 0.0
    # 200 of 204 may come from a true share of 0.955; without an error, 200 show 0.985.
    assert 0.6 < promises.keep([promise], examples, answers, 0.95)["spam"] <= 0.9
    with pytest.raises(TrainingError, match=r"To show that much takes 299 answers without an error"):
        promises.keep([Promise("spam", "precision", 0.99)], examples, answers, 0.95)


def test_an_interval_is_that_of_clopper_and_pearson() -> None:
    assert promises.interval(8, 10) == (pytest.approx(0.4439, abs=1e-4), pytest.approx(0.9748, abs=1e-4))
    assert promises.interval(0, 10) == (0.0, pytest.approx(0.3085, abs=1e-4))
    assert promises.interval(10, 10)[1] == 1.0


def test_a_precision_of_spans_is_kept_too_and_a_recall_refused() -> None:
    right, wrong = Span(0, 4, "PER", 1.0), Span(6, 9, "PER", 0.6)
    examples = [Example("Anna, Bob!", spans=(right,))] * 4
    answers = [Annotation(spans=(Span(0, 4, "PER", 0.9), wrong))] * 4
    threshold = promises.keep([Promise("PER", "precision", 1.0)], examples, answers)["PER"]
    assert 0.6 < threshold <= 0.9
    # Every text holds a span under the threshold.
    assert promises.reviewed(Thresholds(0.99, {"PER": threshold}), examples, answers) == 1.0
    assert promises.reviewed(Thresholds(0.99, {}), examples, answers) == 0.0
    with pytest.raises(TrainingError, match="no threshold can promise recall"):
        promises.keep([Promise("PER", "recall", 0.9)], examples, answers)


def test_a_label_may_be_several_words() -> None:
    assert promises.parse(" Sci / Tech precision .9 ", ["Sci / Tech"]) == Promise("Sci / Tech", "precision", 0.9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("spam precision", "write a label, precision or recall, and a share"),
        ("spam accuracy 0.9", "write a label, precision or recall, and a share"),
        ("spam precision 1.5", "write a label, precision or recall, and a share"),
        ("spam precision nan", "write a label, precision or recall, and a share"),
        ("", "write a label, precision or recall, and a share"),
        ("spma precision 0.9", "there is no label 'spma'. Known: ham, spam"),
    ],
)
def test_what_is_no_promise_is_refused(text: str, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        promises.parse(text, LABELS)
