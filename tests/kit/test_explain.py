"""An explanation is of the very answer that is given: its windows, weighed together, make it."""

from itertools import pairwise
from math import exp, log

import numpy as np
import pytest
import tiny

from classifyd.api import ExplainingPredictor, Record, Setup
from classifyd.bundles import Store
from classifyd_bert.predictor import SequencePredictor, TokenPredictor

LONG = "Win a free prize now from Maria in Berlin. " * 20


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def sequence(store):
    bundle = tiny.make_bundle(store, "spam", ["ham", "spam"], temperature=2.0, examples=[])
    return SequencePredictor(Setup("spam", bundle=bundle))


@pytest.fixture(scope="module")
def token(store):
    calibrated = {"temperature": 1.5, "span_calibration": {"sure": 0.5, "doubt": 0.75, "offset": 0.25}}
    bundle = tiny.make_bundle(store, "ner", tiny.BIO, "token", examples=[], **calibrated)
    return TokenPredictor(Setup("ner", bundle=bundle))


@pytest.mark.parametrize("text", ["", " ", "Win a free prize now", LONG, "\ud800 Maria"])
@pytest.mark.parametrize("kind", ["sequence", "token"])
def test_it_explains_the_answer_that_it_gives(kind, text, request):
    loaded = request.getfixturevalue(kind)
    assert isinstance(loaded, ExplainingPredictor)
    explanation = loaded.explain(Record(text))
    assert loaded.predict([Record(text)]) == [explanation.answer]
    assert abs(sum(window.weight for window in explanation.windows) - 1) < 1e-9
    assert all(0 <= window.start <= window.end <= len(text) for window in explanation.windows)
    assert all(window.tokens <= tiny.MAX_LENGTH for window in explanation.windows)


def test_windows_of_a_long_text_overlap_and_leave_nothing_out(sequence):
    windows = sequence.explain(Record(LONG)).windows
    assert len(windows) > 3
    assert (0, len(LONG.rstrip())) == (windows[0].start, windows[-1].end)
    for one, other in pairwise(windows):
        assert one.start < other.start < one.end < other.end


def test_calibration_is_told_with_what_it_changed(sequence, token):
    explanation = sequence.explain(Record("Win a free prize now"))
    assert {"temperature": 2.0} == explanation.calibration
    after, before = ({x.label: x.score for x in said.labels} for said in (explanation.answer, explanation.plain))
    for label in after:
        odds = after[label] / (1 - after[label])
        assert abs(log(before[label] / (1 - before[label])) - 2 * log(odds)) < 1e-6
    explanation = token.explain(Record(LONG))
    assert {"temperature": 1.5, "sure": 0.5, "doubt": 0.75, "offset": 0.25} == explanation.calibration
    places = [[(x.start, x.end, x.label) for x in said.spans] for said in (explanation.answer, explanation.plain)]
    assert places[0] == places[1]
    assert places[0]
    assert [x.score for x in explanation.answer.spans] != [x.score for x in explanation.plain.spans]


def test_one_window_alone_says_what_is_answered(sequence, token):
    explanation = sequence.explain(Record("Win a free prize now"))
    [window] = explanation.windows
    assert {x.label: x.score for x in explanation.answer.labels} == pytest.approx(window.scores)
    assert 1.0 == window.weight
    [window] = token.explain(Record("Maria")).windows
    assert {"PER", "ORG", "LOC"} == set(window.scores)
    assert all(0 <= score <= 1 for score in window.scores.values())


def test_the_logits_of_windows_weighed_together_are_the_answers(sequence):
    """The mean of logits, so in two classes the weighed mean of log odds, is what the whole text's odds are."""
    explanation = sequence.explain(Record(LONG))
    odds = [log(window.scores["spam"] / window.scores["ham"]) for window in explanation.windows]
    whole = float(np.dot(odds, [window.weight for window in explanation.windows]))
    answer = {x.label: x.score for x in explanation.answer.labels}
    assert answer["spam"] == pytest.approx(1 / (1 + exp(-whole)))
