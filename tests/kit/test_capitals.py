"""How each word of a text is written, told to a model that reads everything in small letters."""

import numpy as np
import pytest
import tiny

from classifyd_bert import capitals
from classifyd_bert.capitals import ALL, FIRST, INNER, NO_LETTERS, SMALL
from classifyd_bert.tokens import Tokenizer, Window, pad


def tokenizer(**options: int) -> Tokenizer:
    return Tokenizer(tiny.tokenizer(), 64, 8, capitals=True, **options)


def said(text: str, **options: int) -> list[int]:
    (window,) = tokenizer(**options).windows([text])
    assert window.kinds is not None
    return window.kinds[window.own].tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("win", [SMALL]),
        ("Win", [FIRST]),
        ("wIn", [INNER]),
        ("WIN", [ALL]),
        ("12", [NO_LETTERS] * 2),
        ("Win a PRIZE now", [FIRST, SMALL, ALL, SMALL]),
    ],
)
def test_a_word_is_small_capital_or_of_both(text: str, expected: list[int]) -> None:
    found = said(text)
    assert list(dict.fromkeys(found)) == list(dict.fromkeys(expected))
    assert len(found) >= len(expected)


def test_pieces_of_a_word_are_written_alike() -> None:
    (window,) = tokenizer().windows(["Hellowin hello"])
    assert window.kinds is not None
    by_word = {}
    for word, kind in zip(window.words.tolist(), window.kinds.tolist(), strict=True):
        by_word.setdefault(word, set()).add(kind)
    assert by_word == {-1: {NO_LETTERS}, 0: {FIRST}, 1: {SMALL}}


@pytest.mark.parametrize(("text", "expected"), [("Élan", FIRST), ("élan", SMALL), ("ÉLAN", ALL), ("漢字", NO_LETTERS)])
def test_letters_of_all_alphabets_count(text: str, expected: int) -> None:
    offsets = np.array([[0, 1], [1, len(text)]], np.int32)
    assert capitals.kinds(text, offsets, np.zeros(2, np.int32)).tolist() == [expected, expected]


def test_a_text_read_in_pieces_says_the_same() -> None:
    text = "Win a PRIZE now " * 3
    assert said(text, piece_chars=16) == said(text)


def test_the_kinds_are_the_models_token_types_and_padding_has_none() -> None:
    windows = tokenizer().windows(["WIN a prize", "win"])
    types = pad([_padded(window) for window in windows], 0)["token_type_ids"]
    assert types.shape == (2, 16)
    assert types[0].max() == ALL
    assert types[1, len(windows[1].ids) :].tolist() == [0] * (16 - len(windows[1].ids))
    plain = Tokenizer(tiny.tokenizer(), 64, 8).windows(["WIN"])
    assert plain[0].kinds is None
    assert "token_type_ids" not in pad(plain, 0)


def test_some_texts_are_learnt_in_capitals_and_some_in_small_letters() -> None:
    found = np.array([NO_LETTERS, SMALL, FIRST, INNER, ALL], np.int8)
    assert capitals.altered(found, 0.0).tolist() == [NO_LETTERS, ALL, ALL, ALL, ALL]
    assert capitals.altered(found, 0.15).tolist() == [NO_LETTERS, SMALL, SMALL, SMALL, SMALL]
    assert capitals.altered(found, 0.2).tolist() == found.tolist()


def _padded(window: Window) -> Window:
    assert window.padded == 16
    return window
