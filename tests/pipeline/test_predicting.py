import math

import pytest

from classifyd.jobs import TaskSpec
from classifyd.pipeline import predicting
from classifyd.pipeline.border import Border
from classifyd.pipeline.loading import Loaded
from classifyd.pipeline.predicting import FAILURES_IN_A_ROW
from classifyd.values import Annotation, Label, Record, Span


class Upset:
    """Fails on texts that say so, and counts its calls."""

    def __init__(self):
        self.calls = 0

    def predict(self, records):
        self.calls += 1
        if any("bad" in record.text for record in records):
            raise ValueError("upset")
        return [[Label("calm", 0.9)] for _ in records]


class Says:
    def __init__(self, answer):
        self.answer = answer

    def predict(self, records):
        return [self.answer for _ in records]


def predict(task, given):
    return predicting.predict(task, given, Border())


def loaded(predictor, review_below=0.0):
    return Loaded(TaskSpec("mood"), predictor, "mood@1", review_below)


def records(*texts):
    return [Record(text, index) for index, text in enumerate(texts)]


def test_a_record_that_makes_a_task_fail_costs_only_itself():
    texts = ["good"] * 1000
    texts[617] = "bad"
    predictor = Upset()

    annotations = predict(loaded(predictor), records(*texts))

    assert [617] == [place for place, annotation in enumerate(annotations) if annotation.error]
    assert "ValueError: upset" == annotations[617].error.message
    assert predictor.calls <= 2 * math.ceil(math.log2(1000)) + 1


def test_a_task_that_fails_on_everything_is_given_up_soon():
    predictor = Upset()

    annotations = predict(loaded(predictor), records(*["bad"] * 1000))

    assert all(annotation.error for annotation in annotations)
    assert predictor.calls < 4 * FAILURES_IN_A_ROW + 12


@pytest.mark.parametrize(
    ("label", "score", "configured", "review"),
    [
        ("spam", 0.94, None, True),  # under what was promised
        ("spam", 0.96, None, False),
        ("spam", 0.96, 0.98, True),  # the configuration may ask for more,
        ("spam", 0.94, 0.5, True),  # and break no promise by asking for less
        ("ham", 0.7, None, True),  # a label without a promise goes by the general score
        ("ham", 0.9, None, False),
        ("eggs", 0.6, None, False),  # a promise can be kept by less than that, too
    ],
)
def test_a_label_with_a_threshold_of_its_own_goes_by_it(label, score, configured, review):
    spec = TaskSpec("mood", review_below=configured)
    general = 0.8 if configured is None else configured
    promised = {"spam": 0.95, "eggs": 0.55}

    (said,) = predict(Loaded(spec, Says([Label(label, score)]), "mood@1", general, None, promised), records("text"))

    assert review == said.review


def test_a_span_under_the_threshold_of_its_label_asks_for_review():
    task = Loaded(TaskSpec("ner"), Says([Span(0, 4, "PER", 0.7)]), "ner@1", 0.99, None, {"PER": 0.8})
    others = Loaded(TaskSpec("ner"), Says([Span(0, 4, "ORG", 0.7)]), "ner@1", 0.99, None, {"PER": 0.8})

    assert [True] == [said.review for said in predict(task, records("text"))]
    assert [False] == [said.review for said in predict(others, records("text"))]


def test_a_span_under_what_the_configuration_asks_for_is_for_review_with_or_without_a_threshold_of_its_own():
    def reviews(score, configured, promised):
        task = Loaded(
            TaskSpec("ner", review_below=configured), Says([Span(0, 4, "PER", score)]), "n", 0.0, None, promised
        )
        return [said.review for said in predict(task, records("text"))]

    assert [True] == reviews(0.7, 0.8, {})
    assert [False] == reviews(0.9, 0.8, {})
    assert [True] == reviews(0.7, 0.5, {"PER": 0.8}), "it cannot break a promise"


def test_bare_labels_are_wrapped_and_sorted_and_bare_spans_are_too():
    (labelled,) = predict(loaded(Says([Label("a", 0.2), Label("b", 0.8)])), records("text"))
    (marked,) = predict(loaded(Says([Span(0, 4, "PER", 0.9)])), records("text"))
    (nothing,) = predict(loaded(Says([])), records("text"))

    assert Annotation((Label("b", 0.8), Label("a", 0.2)), model="mood@1") == labelled
    assert Annotation(spans=(Span(0, 4, "PER", 0.9),), model="mood@1") == marked
    assert Annotation(spans=(), model="mood@1") == nothing


def test_a_score_below_the_threshold_asks_for_review():
    (doubtful,) = predict(loaded(Says([Label("a", 0.7)]), review_below=0.8), records("text"))
    (sure,) = predict(loaded(Says([Label("a", 0.9)]), review_below=0.8), records("text"))

    assert (True, False) == (doubtful.review, sure.review)


@pytest.mark.parametrize(
    "answer",
    [
        "text",
        None,
        7,
        [Label("a", math.nan)],
        [Label("a", 1.5)],
        [Span(0, 99, "PER", 0.5)],
        [Span(3, 2, "PER", 0.5)],
        [Label("a", 0.5), Span(0, 1, "PER", 0.5)],
    ],
)
def test_an_answer_that_breaks_the_promise_is_an_error_of_its_record(answer):
    (annotation,) = predict(loaded(Says(answer)), records("text"))

    assert "PredictionFailed" == annotation.error.type


def test_the_wrong_number_of_answers_is_an_error():
    class Short:
        def predict(self, records):
            return [[Label("a", 1.0)]] * (len(records) + 1)

    annotations = predict(loaded(Short()), records("a", "b"))

    assert all("gave" in annotation.error.message for annotation in annotations)
