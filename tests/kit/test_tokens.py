"""Windows hold every token of every text, each owned once, at its place in the text."""

import itertools

import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from classifyd.api import BundleError
from classifyd_bert.tokens import Tokenizer, Window, pad

CLS, SEP = 2, 3
ODD = st.text(st.sampled_from("ab é😀\t\n.İß中\u0301\x00\ud800"), max_size=60) | st.text(max_size=60)
LONG = st.lists(st.sampled_from([*tiny.WORDS, "unknown", "x-y", "😀", "\n\n"]), min_size=20, max_size=60).map(" ".join)
TEXT = ODD | LONG


def tokenizer(max_length: int = 12, stride: int = 4, piece_chars: int = 2**16) -> Tokenizer:
    return Tokenizer(tiny.tokenizer(), max_length, stride, piece_chars=piece_chars)


def owned(windows: list[Window], field: str) -> list[object]:
    return [item for window in windows for item in getattr(window, field)[window.own].tolist()]


@given(st.lists(TEXT, max_size=4), st.integers(4, 20), st.data())
@settings(deadline=None)
def test_every_token_of_every_text_is_owned_once(texts: list[str], length: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(0, length - 3))
    cut, whole = tokenizer(length, stride).windows(texts), tokenizer(4096, 0).windows(texts)
    assert [window.text for window in whole] == list(range(len(texts)))
    for place in range(len(texts)):
        mine = [window for window in cut if window.text == place]
        for field in ("ids", "offsets", "words"):
            assert owned(mine, field) == owned([whole[place]], field)


def test_of_shared_tokens_each_window_owns_the_half_it_sees_more_around() -> None:
    windows = tokenizer(12, 4).windows(["win " * 30])
    assert [int(window.own.sum()) for window in windows] == [8, 6, 6, 6, 4]
    assert np.flatnonzero(windows[1].own).tolist() == list(range(3, 9))


@pytest.mark.parametrize(("multiple", "padded"), [(1, 5), (4, 8), (16, 12)])
def test_windows_are_padded_to_the_next_multiple_as_far_as_the_model_goes(multiple: int, padded: int) -> None:
    (window,) = Tokenizer(tiny.tokenizer(), 12, 4, pad_multiple=multiple).windows(["win a prize"])
    assert (5, padded) == (len(window.ids), window.padded)


@given(TEXT, st.integers(4, 20), st.data())
@settings(deadline=None)
def test_neighbouring_windows_share_the_stride_and_fit_the_model(text: str, length: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(0, length - 3))
    windows = tokenizer(length, stride).windows([text])
    assert windows
    for window in windows:
        assert (window.ids[0], window.ids[-1]) == (CLS, SEP)
        assert len(window.ids) <= window.padded <= length
        assert window.padded == min(length, -(-len(window.ids) // 16) * 16)
    for one, other in itertools.pairwise(windows):
        assert one.start + len(one.ids) - 2 - other.start == stride
        assert len(one.ids) == length


@given(TEXT)
@settings(deadline=None)
def test_offsets_are_code_points_of_the_text_in_order(text: str) -> None:
    offsets = [pair for window in tokenizer().windows([text]) for pair in window.offsets[window.own].tolist()]
    assert all(0 <= start <= end <= len(text) for start, end in offsets)
    assert offsets == sorted(offsets)


@given(st.lists(st.sampled_from([*tiny.WORDS, "x-y", "é", "\n\n", "\u3000"]), max_size=60))
@settings(deadline=None)
def test_a_text_read_in_pieces_has_the_tokens_of_the_whole(words: list[str]) -> None:
    text = " ".join(words)
    whole, pieces = tokenizer().windows([text]), tokenizer(piece_chars=24).windows([text])
    for field in ("ids", "offsets", "words"):
        assert owned(pieces, field) == owned(whole, field)


def test_a_text_without_white_space_is_read_in_pieces_all_the_same() -> None:
    windows = tokenizer(piece_chars=10).windows(["x" * 95, "hello"])
    assert {window.text for window in windows} == {0, 1}
    assert windows[-1].offsets[windows[-1].own].tolist() == [[0, 5]]


def test_offsets_survive_what_lies_outside_the_basic_plane_and_lone_surrogates() -> None:
    text = "😀 \ud800 Maria"
    (window,) = tokenizer().windows([text])
    start, end = window.offsets[window.own][-1]
    assert text[start:end] == "Maria"


def test_an_empty_text_is_one_window_that_owns_nothing() -> None:
    (window,) = tokenizer().windows([""])
    assert window.ids.tolist() == [CLS, SEP]
    assert not window.own.any()


def test_a_special_token_written_in_a_text_is_text() -> None:
    (window,) = tokenizer().windows(["[SEP]"])
    assert SEP not in window.ids[1:-1]


def test_truncation_and_padding_left_on_in_the_file_change_nothing() -> None:
    from tokenizers import Tokenizer as Library  # the library's class of the same name

    made = Library.from_buffer(tiny.tokenizer())
    made.enable_truncation(8)
    made.enable_padding(length=128)
    found = Tokenizer(made.to_str().encode(), 12, 4).windows(["win a prize now " * 5])
    expected = tokenizer().windows(["win a prize now " * 5])
    assert [window.ids.tolist() for window in found] == [window.ids.tolist() for window in expected]


def test_padding_fills_up_to_the_shared_length_and_masks_it() -> None:
    windows = tokenizer(32, 4).windows(["win", "win now"])
    ids, mask = pad(windows, 0).values()
    assert ids.shape == mask.shape == (2, 16)
    assert mask.sum(axis=1).tolist() == [3, 4]
    assert not ids[mask == 0].any()
    assert np.array_equal(ids[1, :4], windows[1].ids)


@pytest.mark.parametrize(("length", "stride"), [(12, 10), (12, -1), (2, 0)])
def test_a_stride_without_room_to_move_is_refused(length: int, stride: int) -> None:
    with pytest.raises(BundleError, match=f"windows of {length} tokens cannot share {stride}"):
        tokenizer(length, stride)


def test_bytes_that_are_no_tokenizer_are_refused() -> None:
    with pytest.raises(BundleError, match=r"tokenizer\.json: is no tokenizer"):
        Tokenizer(b"{}", 12, 4)
