"""Two models on the same texts: what changed, and whether chance could have done it."""

import random
from collections.abc import Sequence

import pytest

from classifyd.training import comparison
from classifyd.training.evaluation import measure
from classifyd.values import Annotation, Example, Label, Span


def labelled(labels: Sequence[str]) -> list[Example]:
    return [Example(f"text {place}", label) for place, label in enumerate(labels)]


def said(labels: Sequence[str]) -> list[Annotation]:
    return [Annotation(labels=(Label(label, 0.9),)) for label in labels]


def wrong_at(labels: Sequence[str], places: Sequence[int]) -> list[str]:
    """The labels with those at the places turned into the other one."""
    return [("ham" if label == "spam" else "spam") if at in places else label for at, label in enumerate(labels)]


TRUTH = ["spam" if place % 3 == 0 else "ham" for place in range(600)]


def test_a_model_that_errs_far_less_is_better_by_more_than_noise() -> None:
    before, after = said(wrong_at(TRUTH, range(120))), said(wrong_at(TRUTH, range(12)))
    found = comparison.compare(before, after, labelled(TRUTH))
    assert found.verdict == "better"
    assert found.accuracy is not None
    assert (found.accuracy.before, found.accuracy.after) == (0.8, 0.98)
    assert 0 < found.accuracy.low < found.accuracy.change < found.accuracy.high
    assert (found.turned_right, found.turned_wrong) == (108, 0)
    assert found.sentence("spam@3", "spam@4").startswith("spam@4 is better than spam@3, by more than noise")


def test_the_same_two_models_the_other_way_round_are_worse() -> None:
    before, after = said(wrong_at(TRUTH, range(12))), said(wrong_at(TRUTH, range(120)))
    assert comparison.compare(before, after, labelled(TRUTH)).verdict == "worse"


def test_as_many_errors_elsewhere_are_noise() -> None:
    before, after = said(wrong_at(TRUTH, range(30))), said(wrong_at(TRUTH, range(30, 59)))
    found = comparison.compare(before, after, labelled(TRUTH))
    assert found.f1.change > 0
    assert found.verdict == "level"
    assert (found.turned_right, found.turned_wrong) == (30, 29)
    assert "may be noise" in found.sentence("a", "b")


def test_equal_answers_differ_by_nothing_at_all() -> None:
    answers = said(wrong_at(TRUTH, range(50)))
    found = comparison.compare(answers, answers, labelled(TRUTH))
    assert (found.f1.change, found.f1.low, found.f1.high, found.verdict) == (0, 0, 0, "level")


def test_the_same_comparison_comes_out_each_time() -> None:
    before, after = said(wrong_at(TRUTH, range(40))), said(wrong_at(TRUTH, range(20, 50)))
    first, second = (comparison.compare(before, after, labelled(TRUTH)) for _ in range(2))
    assert first == second


def test_the_figures_are_those_of_evaluate() -> None:
    before, after = said(wrong_at(TRUTH, range(40))), said(wrong_at(TRUTH, range(20, 50)))
    found = comparison.compare(before, after, labelled(TRUTH))
    figures = measure("m", labelled(TRUTH), after)
    assert (found.f1.after, found.labels["spam"][1]) == (figures.f1, figures.labels["spam"])
    whole = comparison._of_labels(
        comparison.Counter((one, answer.labels[0].label) for one, answer in zip(TRUTH, after, strict=True))
    )
    assert whole == (pytest.approx(figures.f1), figures.accuracy)


def test_a_label_that_no_text_of_a_sample_has_does_not_count_in_it() -> None:
    assert comparison._of_labels({("ham", "ham"): 3, ("ham", "spam"): 1}) == (pytest.approx(6 / 7), 0.75)


def test_the_interval_covers_what_the_theory_says_of_a_share() -> None:
    # Half of the texts turn right, half stay: the difference of accuracy has the deviation sqrt(p q / n).
    before, after = said(wrong_at(TRUTH, range(600))), said(wrong_at(TRUTH, range(0, 600, 2)))
    accuracy = comparison.compare(before, after, labelled(TRUTH)).accuracy
    assert accuracy is not None
    assert accuracy.high - accuracy.low == pytest.approx(2 * 1.96 * (0.25 / 600) ** 0.5, rel=0.1)


def spans(chance: random.Random, share: float) -> tuple[list[Example], list[Annotation]]:
    """Two spans a text, of which a share is found where it is and the rest one character off."""
    right = tuple(Span(start, start + 4, "PER", 1.0) for start in (0, 10))
    examples = [Example("x" * 20, spans=right) for _ in range(300)]
    answers = [
        Annotation(spans=tuple(Span(s.start, s.end + (chance.random() > share), "PER", 0.8) for s in right))
        for _ in examples
    ]
    return examples, answers


def test_spans_are_compared_by_the_f1_of_all_spans() -> None:
    examples, before = spans(random.Random(1), 0.6)
    _, after = spans(random.Random(2), 0.8)
    found = comparison.compare(before, after, examples)
    assert (found.f1.before, found.f1.after) == (measure("a", examples, before).f1, measure("b", examples, after).f1)
    assert (found.verdict, found.accuracy) == ("better", None)
    assert found.f1.low < found.f1.change < found.f1.high


def test_a_text_without_a_span_is_right_if_none_is_given() -> None:
    example = Example("nothing here", spans=())
    assert comparison.right(example, Annotation(spans=()))
    assert not comparison.right(example, Annotation(spans=(Span(0, 7, "PER", 0.9),)))
