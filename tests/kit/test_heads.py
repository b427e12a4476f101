"""Logits become probabilities, and BIO tags spans as conlleval draws them."""

import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from classifyd.api import BundleError, Label, Span
from classifyd_bert.heads import Bio, Calibration, Words, combine, ranked, softmax, words
from classifyd_bert.tokens import Tokenizer, Window

TAGS = tiny.BIO
FLOATS = st.floats(-50, 50)


def tagged(tags: list[str], logit: float = 20.0) -> tuple[str, Words]:
    """One letter and a blank per word, and logits that say the tags."""
    places = np.arange(len(tags), dtype=np.int32) * 2
    logits = np.zeros((len(tags), len(TAGS)), np.float32)
    for row, tag in enumerate(tags):
        logits[row, TAGS.index(tag)] = logit
    return "x " * len(tags), Words(places, places + 1, logits)


def spans(tags: list[str]) -> list[tuple[str, int, int]]:
    text, found = tagged(tags)
    drawn = Bio.of(TAGS).spans(text, found)
    return [(span.label, span.start // 2, (span.end - 1) // 2) for span in drawn]


@given(st.lists(st.sampled_from(TAGS), max_size=12))
def test_spans_are_those_that_seqeval_counts(tags: list[str]) -> None:
    assert spans(tags) == get_entities(tags)


@given(st.lists(st.sampled_from(TAGS), max_size=12), st.floats(0, 20))
def test_spans_are_in_order_apart_trimmed_and_scored_from_0_to_1(tags: list[str], logit: float) -> None:
    text, found = tagged(tags, logit)
    end = 0
    for span in Bio.of(TAGS).spans(text, found, Calibration(0.7)):
        assert end <= span.start < span.end <= len(text)
        assert text[span.start : span.end] == text[span.start : span.end].strip()
        assert 0 <= span.score <= 1
        end = span.end


def test_a_span_scores_the_mean_probability_of_its_kind_over_its_words() -> None:
    text, found = tagged(["B-PER", "I-PER"], 2.0)
    (span,) = Bio.of(TAGS).spans(text, found)
    likely, other = np.exp(2.0), 1.0
    assert span == Span(0, 3, "PER", pytest.approx((likely + other) / (likely + 6 * other)))


def test_white_space_around_a_span_is_trimmed_and_a_span_of_it_dropped() -> None:
    logits = np.zeros((2, len(TAGS)), np.float32)
    logits[:, TAGS.index("B-PER")] = 9
    found = Words(np.array([0, 5], np.int32), np.array([5, 6], np.int32), logits)
    (span,) = Bio.of(TAGS).spans(" ab \n ", found)
    assert (span.start, span.end) == (1, 3)


@pytest.mark.parametrize("tags", [["B-PER", "I-PER"], ["O", "PER"], ["O", "B-"], ["O", "S-PER"]])
def test_tags_that_are_not_bio_are_refused(tags: list[str]) -> None:
    with pytest.raises(BundleError, match='must be "O", "B-X" and "I-X"'):
        Bio.of(tags)


@given(st.lists(FLOATS, min_size=1, max_size=5), st.floats(0.05, 20))
def test_probabilities_sum_to_one_and_keep_the_order_of_logits(logits: list[float], temperature: float) -> None:
    scores = softmax(np.array(logits, np.float32), temperature)
    assert scores.sum() == pytest.approx(1)
    assert scores[np.argmax(logits)] == scores.max()


def test_a_higher_temperature_makes_less_sure() -> None:
    logits = np.array([2.0, 0.0])
    assert softmax(logits, 2.0)[0] == pytest.approx(1 / (1 + np.exp(-1)))
    assert softmax(logits, 2.0)[0] < softmax(logits, 1.0)[0]


def test_labels_are_ranked_and_equals_stay_in_the_models_order() -> None:
    assert ranked(["a", "b", "c"], np.array([0.25, 0.25, 0.5])) == (Label("c", 0.5), Label("a", 0.25), Label("b", 0.25))


def windows(text: str) -> list[Window]:
    return Tokenizer(tiny.tokenizer(), 12, 4).windows([text])


def test_windows_weigh_as_many_tokens_as_they_own() -> None:
    cut = windows("win " * 11)
    assert [int(window.own.sum()) for window in cut] == [8, 3]
    combined = combine(cut, [np.array([1.0, 0.0]), np.array([0.0, 1.0])])
    assert combined.tolist() == pytest.approx([8 / 11, 3 / 11])


def test_an_empty_text_has_the_logits_of_its_one_window() -> None:
    assert combine(windows(""), [np.array([1.0, 2.0])]).tolist() == [1.0, 2.0]


@given(st.lists(st.sampled_from([*tiny.WORDS, "unknown", "x-y"]), max_size=40))
def test_a_word_takes_its_first_tokens_logits_from_the_window_that_owns_it(said: list[str]) -> None:
    text = " ".join(said)
    cut = windows(text)
    # The logits of a token say which token of the text it is; those of tokens not owned are wrong on purpose.
    logits = [
        np.where(window.own, window.start + np.arange(len(window.ids)) - 1, -99)[:, None].astype(np.float32)
        for window in cut
    ]
    found = words(cut, logits)
    (whole,) = Tokenizer(tiny.tokenizer(), 4096, 0).windows([text])
    numbers = whole.words[whole.own].tolist()
    assert found.logits[:, 0].tolist() == [numbers.index(number) for number in sorted(set(numbers))]
    drawn = [text[start:end] for start, end in zip(found.starts, found.ends, strict=True)]
    assert "".join(drawn) == text.replace(" ", "")


@pytest.mark.parametrize("blank", ["\n\n", "\r\n\r\n", "\n \t\n", " \n\n\n", "\u2029\n"])
def test_a_span_ends_at_a_blank_line(blank: str) -> None:
    text = f"New York{blank}Sofia"
    starts = np.array([0, 4, text.index("Sofia")], np.int32)
    _, drawn = tagged(["B-LOC", "I-LOC", "I-LOC"])
    found = Words(starts, starts + np.array([3, 4, 5], np.int32), drawn.logits)
    assert [text[span.start : span.end] for span in Bio.of(TAGS).spans(text, found)] == ["New York", "Sofia"]


@pytest.mark.parametrize("gap", ["\n", "\r\n", " \n ", "  "])
def test_a_span_goes_on_behind_a_line_break(gap: str) -> None:
    text = f"New{gap}York"
    starts = np.array([0, text.index("York")], np.int32)
    _, drawn = tagged(["B-LOC", "I-LOC"])
    found = Words(starts, starts + np.array([3, 4], np.int32), drawn.logits)
    assert [text[span.start : span.end] for span in Bio.of(TAGS).spans(text, found)] == [text]
