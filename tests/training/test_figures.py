import random

import numpy as np
import pytest

from classifyd.training import evaluation
from classifyd.values import Annotation, Example, Label, Span


def test_our_figures_of_labels_are_those_of_scikit_learn() -> None:
    from classifyd_bert import calibration, figures

    chance = random.Random(1)
    right = [chance.choice("abc") for _ in range(200)]
    given = [one if chance.random() < 0.7 else chance.choice("abc") for one in right]
    theirs = figures.of_labels(right, given, ["a", "b", "c"])
    scores = [chance.choice([0.0, 0.2, chance.random(), 1.0]) for _ in given]
    answers = [Annotation(labels=(Label(one, score),)) for one, score in zip(given, scores, strict=True)]
    ours = evaluation.measure("m", [Example("x", one) for one in right], answers)
    hits = [one == other for one, other in zip(right, given, strict=True)]
    assert ours.calibration_error == pytest.approx(calibration.expected_calibration_error(scores, hits))
    assert ours.f1 == pytest.approx(theirs.f1)
    assert ours.accuracy == pytest.approx(theirs.accuracy)
    for one in theirs.labels:
        assert ours.labels[one.label].f1 == pytest.approx(one.f1)


def test_our_figures_of_spans_are_those_of_seqeval() -> None:
    from classifyd_bert import figures

    chance = random.Random(2)
    right = [_spans(chance) for _ in range(100)]
    given = [one if chance.random() < 0.6 else _spans(chance) for one in right]
    keys = [[frozenset((s.start, s.end, s.label) for s in one) for one in side] for side in (right, given)]
    theirs = figures.of_spans(*keys, ["LOC", "PER"])
    ours = evaluation._measure_spans(
        "m", [Example("x", spans=one) for one in right], [Annotation(spans=one) for one in given]
    )
    assert ours.f1 == pytest.approx(theirs.f1)
    for one in theirs.labels:
        assert (ours.labels[one.label].f1, ours.labels[one.label].support) == (pytest.approx(one.f1), one.support)


def _spans(chance: random.Random) -> tuple[Span, ...]:
    starts = sorted(chance.sample(range(0, 20, 4), chance.randint(0, 3)))
    return tuple(Span(start, start + chance.randint(1, 4), chance.choice(["PER", "LOC"]), 1.0) for start in starts)


def test_a_temperature_makes_overconfident_scores_honest() -> None:
    from classifyd_bert import calibration, heads

    chance = np.random.default_rng(0)
    labels = chance.integers(0, 2, 4000)
    truth = np.where(chance.random(4000) < 0.8, labels, 1 - labels)
    logits = np.eye(2)[labels] * 8.0
    temperature = calibration.temperature(logits, truth)
    scores = heads.softmax(logits, temperature).max(axis=1)
    assert scores.mean() == pytest.approx(0.8, abs=0.02)
    right = list(logits.argmax(axis=1) == truth)
    assert calibration.expected_calibration_error(list(scores), right) < 0.03


def test_labels_of_answers_are_the_likeliest_ones() -> None:
    given = [Annotation(labels=(Label("a", 0.9), Label("b", 0.1)))]
    assert evaluation.measure("m", [Example("x", "a")], given).accuracy == 1.0


def test_spans_of_a_model_too_sure_of_itself_get_honest_scores() -> None:
    from classifyd_bert import calibration

    chance = np.random.default_rng(0)
    sure = chance.uniform(0.6, 0.999, 4000)
    right = chance.random(4000) < 0.2 + 0.6 * sure
    found = calibration.of_spans(list(sure[:2000]), list(right[:2000]))
    assert found.temperature == 1.0
    before = calibration.expected_calibration_error(list(sure[2000:]), list(right[2000:]))
    scores = [found.of_span(one) for one in sure[2000:]]
    assert before > 0.08
    assert calibration.expected_calibration_error(scores, list(right[2000:])) < 0.03
    assert sorted(scores) == [scores[place] for place in np.argsort(sure[2000:], kind="stable")]


@pytest.mark.parametrize("right", [True, False])
def test_a_calibration_stays_short_of_certainty_on_few_spans(right: bool) -> None:
    from classifyd_bert import calibration

    found = calibration.of_spans([0.99, 0.95, 0.9], [right] * 3)
    assert 0.05 < found.of_span(0.95) < 0.95 or found.of_span(0.95) == pytest.approx(0.8, abs=0.15)


def test_without_a_span_scores_stay_as_they_are() -> None:
    from classifyd_bert import calibration
    from classifyd_bert.heads import PLAIN

    assert calibration.of_spans([], []) == PLAIN
    assert PLAIN.of_span(0.123456789) == 0.123456789
