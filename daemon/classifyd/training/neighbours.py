"""Groups of texts that are nearly the same, so that no pair of them straddles two sets."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

SHINGLE_WORDS = 3
SIMILARITY = 0.6
"""Jaccard similarity of two texts' shingles from which they count as near-duplicates."""

MAX_SHINGLES = 2000

_WORD = re.compile(r"[^\W\d_]+|\d+")


def normal_form(text: str) -> str:
    """The text's words alone, lower-cased, numbers masked: equal for texts that differ in spacing or digits only."""
    return " ".join("0" if word[0].isdigit() else word for word in _WORD.findall(text.lower()))


def group(texts: Sequence[str], similarity: float = SIMILARITY) -> list[int]:
    """A group number per text; two texts at least `similarity` alike share one, and so do chains of such pairs.

    Exact, not sketched: shingles of three words (Broder 1997) compared by prefix filtering (Chaudhuri, Ganti & Kaushik
    2006; Bayardo, Ma & Srikant 2007): two sets that are that similar share one of their few rarest shingles.
    """
    shingles = [_shingles(normal_form(text)) for text in texts]
    frequency = Counter(shingle for one in shingles for shingle in one)
    ordered = [sorted(one, key=lambda shingle: (frequency[shingle], shingle)) for one in shingles]
    parents = list(range(len(texts)))
    for left, right in _candidates(ordered, similarity):
        first, second = _root(parents, left), _root(parents, right)
        if first != second and _alike(shingles[left], shingles[right], similarity):
            parents[max(first, second)] = min(first, second)
    return [_root(parents, index) for index in range(len(texts))]


def _shingles(normal: str) -> frozenset[int]:
    """Hashes of the runs of three words; a shorter text is one shingle.

    Strings hash differently per process, which changes the order among equally rare shingles, never the groups.
    """
    words = normal.split()
    if len(words) <= SHINGLE_WORDS:
        return frozenset([hash(normal)])
    runs = zip(*(words[offset:] for offset in range(SHINGLE_WORDS)), strict=False)
    return frozenset(hash(run) for _, run in zip(range(MAX_SHINGLES), runs, strict=False))


def _candidates(ordered: Sequence[Sequence[int]], similarity: float) -> Iterator[tuple[int, int]]:
    """Pairs that share a shingle of their prefixes, each pair perhaps more than once."""
    holders: dict[int, list[int]] = {}
    for index, shingles in enumerate(ordered):
        prefix = len(shingles) - math.ceil(similarity * len(shingles)) + 1
        for shingle in shingles[:prefix]:
            earlier = holders.setdefault(shingle, [])
            for other in earlier:
                yield other, index
            earlier.append(index)


def _alike(left: frozenset[int], right: frozenset[int], similarity: float) -> bool:
    shared = len(left & right)
    return shared >= similarity * (len(left) + len(right) - shared)


def _root(parents: list[int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index
