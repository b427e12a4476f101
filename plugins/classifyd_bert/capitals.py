"""How words are written, for a model whose tokenizer reads everything in small letters.

Each token's type, which BERT has for the segments of its input, tells how its word is written. So the model knows
"Apple" from "apple", at no cost: a type's vector is added to the token's in any case.
"""

import unicodedata

import numpy as np
from numpy.typing import NDArray

NO_LETTERS, SMALL, FIRST, INNER, ALL = KINDS = range(5)
"""No letters that could be capitals; small ones; the first is a capital, and others are small; some others are; all."""

ALTERED_SHARE = 0.2
"""Of the texts that a model learns from, half of them in capitals and half in small letters throughout."""


def kinds(text: str, offsets: NDArray[np.int32], words: NDArray[np.int32]) -> NDArray[np.int8]:
    """The kind of each token's word, int8.

    `offsets` is int32 of shape (tokens, 2), code points of the text; `words` is int32, each token's word, ascending.
    """
    if not len(words):
        return np.zeros(0, np.int8)
    large, small = _letters(text)
    firsts = np.flatnonzero(np.diff(words, prepend=words[0] - 1))
    lasts = np.append(firsts[1:], len(words)) - 1
    starts, ends = offsets[firsts, 0], offsets[lasts, 1]
    capitals, others = (_between(of, starts, ends) for of in (large, small))
    begins_large = _between(large, starts, np.minimum(starts + 1, ends)) > 0
    found = np.select(
        [capitals + others == 0, capitals == 0, others == 0, begins_large], [NO_LETTERS, SMALL, ALL, FIRST], INNER
    )
    return np.repeat(found.astype(np.int8), np.diff(np.append(firsts, len(words))))


def altered(found: NDArray[np.int8], draw: float) -> NDArray[np.int8]:
    """The kinds as they are, or as those of a text in capitals or in small letters; `draw`, from 0 to 1, decides."""
    if draw >= ALTERED_SHARE:
        return found
    return np.where(found == NO_LETTERS, NO_LETTERS, ALL if draw < ALTERED_SHARE / 2 else SMALL).astype(np.int8)


def _letters(text: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the text has capitals, and where it has small letters."""
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    large = (points >= ord("A")) & (points <= ord("Z"))
    small = (points >= ord("a")) & (points <= ord("z"))
    for place in np.flatnonzero(points > 127).tolist():
        category = unicodedata.category(text[place])
        large[place], small[place] = category in ("Lu", "Lt"), category == "Ll"
    return large, small


def _between(flags: NDArray[np.bool_], starts: NDArray[np.int32], ends: NDArray[np.int32]) -> NDArray[np.int64]:
    """How many flags are set from each start to its end."""
    counts = np.concatenate(([0], np.cumsum(flags)))
    return counts[ends] - counts[starts]
