"""Groups of texts that are nearly the same, so that no pair of them straddles two sets."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

SHINGLE_WORDS = 3
SIMILARITY = 0.6
"""Jaccard similarity of two texts' shingles from which they count as near-duplicates."""

MAX_SHINGLES = 2000

_WORD = re.compile(r"[^\W\d_]+|\d+")


def normal_form(text: str) -> str:
    """The text's words alone, lower-cased, numbers masked: equal for texts that differ in spacing or digits only."""
    return " ".join("0" if word[0].isdigit() else word for word in _WORD.findall(text.lower()))


def form(text: str) -> str:
    """What two copies of a text have in common: its normal form, or what else it holds; empty for an empty text."""
    return normal_form(text) or text.strip()


def group(texts: Sequence[str], similarity: float = SIMILARITY) -> list[int]:
    """A group number per text; two texts at least `similarity` alike share one, and so do chains of such pairs.

    Exact, not sketched: shingles of three words (Broder 1997) compared by prefix filtering (Chaudhuri, Ganti & Kaushik
    2006; Bayardo, Ma & Srikant 2007): two sets that are that similar share one of their few rarest shingles. Sets come
    in order of size, so that even fewer of them are filed (Xiao et al. 2008, PPJoin), filed by group, so that a
    thousand copies of a notice cost a thousand comparisons and no million.
    """
    shingles = [_shingles(normal_form(text)) for text in texts]
    firsts: dict[frozenset[int], int] = {}
    forest = _Forest(len(texts))
    for index, one in enumerate(shingles):
        forest.join(firsts.setdefault(one, index), index)
    frequency = Counter(shingle for one in firsts for shingle in one)
    files: dict[int, _File] = {}
    for one, index in sorted(firsts.items(), key=lambda item: len(item[0])):
        shared = [shingle for shingle in one if frequency[shingle] > 1]
        rarest = sorted(shared, key=lambda shingle: (frequency[shingle], shingle))
        alone = len(one) - len(rarest)  # what nobody shares is rarest of all, and leads nowhere
        asked = rarest[: max(0, _prefix(len(one), similarity) - alone)]
        _compare(index, [files[shingle] for shingle in asked if shingle in files], shingles, forest, similarity)
        for shingle in rarest[: max(0, _prefix(len(one), 2 * similarity / (1 + similarity)) - alone)]:
            files.setdefault(shingle, {}).setdefault(forest.root(index), []).append(index)
    return [forest.root(index) for index in range(len(texts))]


_File = dict[int, list[int]]
"""The texts that have one shingle among their rarest, by group."""


class _Forest:
    """Groups that grow together; the root of one is its first text."""

    def __init__(self, size: int) -> None:
        self._parents = list(range(size))

    def root(self, index: int) -> int:
        parents = self._parents
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    def join(self, left: int, right: int) -> None:
        first, second = self.root(left), self.root(right)
        self._parents[max(first, second)] = min(first, second)


def _prefix(size: int, share: float) -> int:
    """How many of a set's rarest shingles must hold one that a set with `share` of them in common has too."""
    return size - math.ceil(share * size - 1e-9) + 1


def _compare(
    index: int, files: Iterable[_File], shingles: Sequence[frozenset[int]], forest: _Forest, similarity: float
) -> None:
    """Join a text's group with that of every text in the files that is alike."""
    tried: set[int] = set()
    least = similarity * len(shingles[index])
    for file in files:
        for group_number in list(file):
            root = forest.root(group_number)
            members = file[group_number]
            if root != group_number:  # it has grown into another since
                file.setdefault(root, []).extend(file.pop(group_number))
            if root == forest.root(index):
                continue
            for other in members:
                if other in tried or len(shingles[other]) < least:
                    continue
                tried.add(other)
                if _alike(shingles[index], shingles[other], similarity):
                    forest.join(index, other)
                    break


def _shingles(normal: str) -> frozenset[int]:
    """Hashes of the runs of three words; a shorter text is one shingle.

    Strings hash differently per process, which changes the order among equally rare shingles, never the groups.
    """
    words = normal.split()
    if len(words) <= SHINGLE_WORDS:
        return frozenset([hash(normal)])
    runs = zip(*(words[offset:] for offset in range(SHINGLE_WORDS)), strict=False)
    return frozenset(hash(run) for _, run in zip(range(MAX_SHINGLES), runs, strict=False))


def _alike(left: frozenset[int], right: frozenset[int], similarity: float) -> bool:
    shared = len(left & right)
    return shared >= similarity * (len(left) + len(right) - shared)
