"""Texts to windows of token ids: overlapping where a text is longer than the model, nothing cut off.

A text's windows depend on the text alone, never on its neighbours. Neighbouring windows share `stride` tokens; of a
shared stretch the first half is asked of the earlier window and the second of the later, so that each token is
*owned* by the one window in which it has the most context.
"""

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tokenizers
from numpy.typing import NDArray

from classifyd.api import BundleError
from classifyd_bert import capitals as capital

PAD_MULTIPLE = 16
PIECE_CHARS = 2**16
GROUP_CHARS = 2**20
_SURROGATE = re.compile("[\ud800-\udfff]")

# Each worker is given its threads by the daemon; the library's own pool would take every core in every worker.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One run of tokens that fits the model, its special tokens included.

    `text` is the place of its text among those given, `start` the place of its first real token among the text's
    tokens. `ids` is int64; `offsets` is int32 of shape (tokens, 2), code points of the text; `words` is int32, the
    word each token is a piece of, counted through the text; `own` is bool, true where this window is the one to ask.
    Special tokens own nothing and have word -1 and offsets (0, 0). `kinds` is int8, how each token's word is written
    (`capitals`), None where the model is not told.
    """

    text: int
    start: int
    ids: NDArray[np.int64]
    offsets: NDArray[np.int32]
    words: NDArray[np.int32]
    own: NDArray[np.bool_]
    padded: int
    kinds: NDArray[np.int8] | None = None


@dataclass(frozen=True, slots=True)
class _Tokens:
    """A text's tokens without special ones; arrays as in Window."""

    ids: NDArray[np.int64]
    offsets: NDArray[np.int32]
    words: NDArray[np.int32]
    kinds: NDArray[np.int8] | None


class Tokenizer:
    """A tokenizer from the bytes of its tokenizer.json, cutting texts into windows.

    `max_length` counts special tokens; `stride` is how many tokens neighbouring windows share; with `capitals` windows
    tell how words are written; each is to be padded to the next multiple of `pad_multiple`. BundleError if the bytes
    are no tokenizer or the two numbers leave no room to move.
    """

    def __init__(
        self,
        data: bytes,
        max_length: int,
        stride: int,
        *,
        capitals: bool = False,
        pad_multiple: int = PAD_MULTIPLE,
        piece_chars: int = PIECE_CHARS,
    ) -> None:
        try:
            self._tokenizer = tokenizers.Tokenizer.from_buffer(data)
        except Exception as error:  # the library raises bare exceptions of its own
            raise BundleError(f"tokenizer.json: is no tokenizer ({error}); restore the file or roll back") from error
        # Training tools leave these switched on in the file; here they would cut texts off.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        # "[SEP]" written in a message is text like any other.
        self._tokenizer.encode_special_tokens = True
        self._prefix, self._suffix = self._special_ids()
        self._room = max_length - len(self._prefix) - len(self._suffix)
        if not 0 <= stride < self._room:
            raise BundleError(
                f"windows of {max_length} tokens cannot share {stride}: there is room for {self._room}; "
                "mend max_length or stride"
            )
        self._stride = stride
        self._capitals = capitals
        self._pad_multiple = pad_multiple
        self._piece_chars = piece_chars
        self.max_length = max_length
        self.pad_id = self._find_id("[PAD]", "<pad>") or 0
        self._unknown_id = self._find_id("[UNK]", "<unk>")

    def windows(self, texts: Sequence[str]) -> list[Window]:
        """The windows of the texts, in order, at least one for each, however empty."""
        return [window for place, tokens in enumerate(self._tokens(texts)) for window in self._windows(place, tokens)]

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, the special ones of a single window included."""
        special = len(self._prefix) + len(self._suffix)
        return [len(tokens.ids) + special for tokens in self._tokens(texts)]

    def unknown(self, ids: NDArray[np.int64]) -> int:
        """How many of these ids stand for something that the vocabulary does not have."""
        return 0 if self._unknown_id is None else int(np.count_nonzero(ids == self._unknown_id))

    # ------------------------------------------------------------------ text to tokens

    def _tokens(self, texts: Sequence[str]) -> Iterator[_Tokens]:
        """The tokens of each text. Huge texts are read in pieces, so that the library's own objects stay few."""
        pieces = (piece for place, text in enumerate(texts) for piece in _pieces(place, text, self._piece_chars))
        encoded = (item for group in _groups(pieces) for item in self._encode(group))
        for _, parts in itertools.groupby(encoded, key=lambda item: item[0]):
            yield _joined([tokens for _, tokens in parts])

    def _encode(self, group: Sequence["_Piece"]) -> Iterator[tuple[int, _Tokens]]:
        encodings = self._tokenizer.encode_batch([piece.text for piece in group], add_special_tokens=False)
        for piece, encoding in zip(group, encodings, strict=True):
            count = len(encoding.ids)
            flat = itertools.chain.from_iterable(encoding.offsets)
            offsets = np.fromiter(flat, np.int32, 2 * count).reshape(count, 2)
            words = np.fromiter((-1 if word is None else word for word in encoding.word_ids), np.int32, count)
            kinds = capital.kinds(piece.text, offsets, words) if self._capitals else None
            ids = np.array(encoding.ids, np.int64)
            yield piece.place, _Tokens(ids, offsets + np.int32(piece.start), words, kinds)

    # ------------------------------------------------------------------ tokens to windows

    def _windows(self, place: int, tokens: _Tokens) -> Iterator[Window]:
        count = len(tokens.ids)
        step = self._room - self._stride
        starts = range(0, max(1, count - self._stride), step)
        for start in starts:
            yield self._window(place, tokens, start, min(start + self._room, count))

    def _window(self, place: int, tokens: _Tokens, start: int, end: int) -> Window:
        before, after = len(self._prefix), len(self._suffix)
        length = before + end - start + after
        inside = slice(before, before + end - start)
        offsets = np.zeros((length, 2), np.int32)
        offsets[inside] = tokens.offsets[start:end]
        words = np.full(length, -1, np.int32)
        words[inside] = tokens.words[start:end]
        own = np.zeros(length, np.bool_)
        own[inside] = True
        # An uneven stretch of shared tokens is halved so that both windows agree on its middle.
        if start:
            own[before : before + self._stride // 2] = False
        if end < len(tokens.ids):
            own[before + end - start - (self._stride - self._stride // 2) :] = False
        ids = np.concatenate((self._prefix, tokens.ids[start:end], self._suffix))
        kinds = None
        if tokens.kinds is not None:
            kinds = np.zeros(length, np.int8)
            kinds[inside] = tokens.kinds[start:end]
        padded = min(self.max_length, -(-length // self._pad_multiple) * self._pad_multiple)
        return Window(place, start, ids, offsets, words, own, padded, kinds)

    # ------------------------------------------------------------------ special tokens

    def _special_ids(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The ids that the tokenizer puts before and after a text: [CLS] and [SEP] in BERT's."""
        encoding = self._tokenizer.encode("a")
        special = np.array(encoding.special_tokens_mask, np.bool_)
        ids = np.array(encoding.ids, np.int64)
        real = np.flatnonzero(~special)
        if not len(real):
            raise BundleError('tokenizer.json: makes no token of the text "a"; restore the file or roll back')
        return ids[: real[0]], ids[real[-1] + 1 :]

    def _find_id(self, *names: str) -> int | None:
        """The id of the special token that has one of these names; None if there is none."""
        ids = (self._tokenizer.token_to_id(name) for name in names)
        return next((int(found) for found in ids if found is not None), None)


def pad(windows: Sequence[Window], pad_id: int) -> dict[str, NDArray[np.int64]]:
    """The model's inputs for windows that share a padded length, by name: int64, (windows, padded length).

    Token types are among them only where they tell how words are written; else they are all 0.
    """
    ids = np.full((len(windows), windows[0].padded), pad_id, np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = window.ids
        mask[row, : len(window.ids)] = 1
        if window.kinds is not None:
            types[row, : len(window.ids)] = window.kinds
    told = {} if windows[0].kinds is None else {"token_type_ids": types}
    return {"input_ids": ids, "attention_mask": mask, **told}


# ---------------------------------------------------------------------- pieces of huge texts


@dataclass(frozen=True, slots=True)
class _Piece:
    place: int
    start: int
    text: str


def _pieces(place: int, text: str, size: int) -> Iterator[_Piece]:
    """Stretches of about `size` characters, cut before white space where there is any: no word is cut in two.

    Where a text has no white space for so long it is cut anyway; what stands there is no language.
    """
    # One for one: offsets must stay those of the record's text, and the library refuses lone surrogates.
    text = _SURROGATE.sub("\ufffd", text)
    start = 0
    while len(text) - start > size:
        end = _last_space(text, start, start + size)
        yield _Piece(place, start, text[start:end])
        start = end
    yield _Piece(place, start, text[start:])


def _last_space(text: str, start: int, end: int) -> int:
    for place in range(end, start + (end - start) // 2, -1):
        if text[place].isspace():
            return place
    return end


def _groups(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    group: list[_Piece] = []
    chars = 0
    for piece in pieces:
        if group and chars + len(piece.text) > GROUP_CHARS:
            yield group
            group, chars = [], 0
        group.append(piece)
        chars += len(piece.text)
    if group:
        yield group


def _joined(parts: Sequence[_Tokens]) -> _Tokens:
    """One text's tokens from those of its pieces, words counted on from piece to piece."""
    if len(parts) == 1:
        return parts[0]
    kinds = [part.kinds for part in parts if part.kinds is not None]
    counts = [int(part.words.max(initial=-1)) + 1 for part in parts]
    firsts = itertools.accumulate(counts, initial=0)
    words = [part.words + np.int32(first) for part, first in zip(parts, firsts, strict=False)]
    return _Tokens(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.offsets for part in parts]),
        np.concatenate(words),
        np.concatenate(kinds) if kinds else None,
    )
