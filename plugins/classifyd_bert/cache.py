"""Answers kept for texts that come again: a text's answer depends on the text alone, so what is kept is exact."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from classifyd.api import Annotation

DIGEST_BYTES = 20
ENTRY_BYTES = 240
"""About what an answer takes beside its labels and spans: the digest, the places in the dictionary, the annotation."""
PART_BYTES = 160
"""About what a span takes, or a label, with the numbers in it; names of labels are shared."""


class Cache:
    """The answers of one predictor, that is of one bundle under one set of options, by digests of the texts.

    Texts themselves are not kept. Those that were asked for the longest time ago give way once all answers together
    take about `limit_bytes`; 0 keeps none.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._taken = 0
        self._kept: OrderedDict[bytes, Annotation] = OrderedDict()

    def find(self, texts: Iterable[str]) -> dict[str, Annotation]:
        """The answers that are there, by their texts."""
        found = {}
        for text in texts if self._kept else ():
            digest = _digest(text)
            answer = self._kept.get(digest)
            if answer is not None:
                self._kept.move_to_end(digest)
                found[text] = answer
        return found

    def keep(self, answers: Mapping[str, Annotation]) -> None:
        """Keep answers to texts that `find` did not find; those that alone are too large are not kept."""
        for text, answer in answers.items():
            size = _size(answer)
            if size <= self._limit:
                self._kept[_digest(text)] = answer
                self._taken += size
        while self._taken > self._limit:
            _, oldest = self._kept.popitem(last=False)
            self._taken -= _size(oldest)


def _digest(text: str) -> bytes:
    # A text may hold lone surrogates, which have no UTF-8; this way no two texts are one.
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def _size(answer: Annotation) -> int:
    return ENTRY_BYTES + PART_BYTES * (len(answer.labels) + len(answer.spans or ()))
