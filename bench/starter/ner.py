"""Names: English EWT (Universal NER), Broad Twitter, WNUT-17 and WikiGold, with one set of labels: PER, ORG, LOC.

The corpora's own splits are kept. WNUT-17's group and corporation are ORG; its creative works and products, and
WikiGold's MISC, have no counterpart and are left unmarked, as EWT and Broad Twitter leave them.

Broad Twitter marks handles, the sign and the name each by itself, where the two were parted; a handle that was left
one word (259 in its training tweets, 138 in its development tweets, 75 in its test tweets) is never marked, though
nobody can tell the one from the other once the words are joined. And in a quarter of those in its training tweets the
sign, or both, went unmarked, which the other two hardly know. So but for the test tweets the sign follows its name, and
a handle that nobody marked is taken out, as are all of WNUT-17's: they would teach a contradiction, and measure one.

Three fifths of the development sets are learnt from too; the rest chooses the epoch and calibrates the scores, with
500 of the training tweets. The test sets stay as they are. Texts of today (written.py) join the training texts.

Mail is read whole, not by the sentence, and nobody writes "could n't". So stretches of neighbouring sentences of EWT
join the sentences themselves, and in them words are written as people write them.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import written

from classifyd.training import conll
from classifyd.training.sets import Split, clean, without_neighbours
from classifyd.values import Example

LABELS = {
    "PER": "PER",
    "ORG": "ORG",
    "LOC": "LOC",
    "person": "PER",
    "corporation": "ORG",
    "group": "ORG",
    "location": "LOC",
}

FILES = {
    "ewt": ("uner_ewt/en_ewt-ud-train.clean.iob2", "uner_ewt/en_ewt-ud-dev.iob2", "uner_ewt/en_ewt-ud-test.iob2"),
    "twitter": (
        "broad_twitter_corpus/btc.train",
        "broad_twitter_corpus/btc.dev",
        "broad_twitter_corpus/btc.test",
    ),
    "wnut17": ("wnut17/wnut17train.conll", "wnut17/emerging.dev.conll", "wnut17/emerging.test.annotated"),
    "wikigold": ("wikigold/wikigold.conll.txt", None, None),
}


LEARNT_SHARE = 0.6
"""Of the development sets."""

HELD_TWEETS = 500
"""Of the training set, in the evaluation set."""

RUN = 25
"""Texts that stay on one side: neighbours are often of one document."""

LONGEST_STRETCH = 5

_SPACE_INSIDE = re.compile(r" (?=(?:n't|'(?:s|m|re|ve|ll|d)?)(?:\W|$))", re.IGNORECASE)


def split(corpora: Path, seed: int) -> Split:
    """Training and development sets joined and shared out anew; copies of held-out texts leave training."""
    chance = random.Random(seed)
    train, development, test = (
        [one for source, files in FILES.items() for one in _read(corpora / "ner", source, files[number], tested)]
        for number, tested in enumerate((False, False, True))
    )
    learnt, evaluation = _parted(development, LEARNT_SHARE, chance)
    tweets = [one for one in train if one.source == "twitter"]
    learnt_tweets, held_tweets = _parted(tweets, 1 - HELD_TWEETS / len(tweets), chance)
    evaluation += held_tweets
    train = [one for one in train if one.source != "twitter"] + list(learnt_tweets)
    held_out = (*evaluation, *test)
    kept = without_neighbours(clean((*train, *learnt, *written.entities())).examples, held_out)
    letters = [example for example in train if example.source == "ewt"]
    unseen = set(without_neighbours(letters, held_out))
    stretches = _stretches([one if one in unseen else None for one in letters], chance)
    return Split((*kept, *stretches), evaluation, tuple(test))


def _parted(
    examples: Sequence[Example], share: float, chance: random.Random
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Examples in runs of neighbouring texts: that share of them, which is learnt from, and the rest, which is not."""
    runs = [examples[start : start + RUN] for start in range(0, len(examples), RUN)]
    learnt = set(chance.sample(range(len(runs)), round(share * len(runs))))
    sides = [
        tuple(one for place, run in enumerate(runs) if (place in learnt) is side for one in run)
        for side in (True, False)
    ]
    return sides[0], sides[1]


def _stretches(sentences: Sequence[Example | None], chance: random.Random) -> Iterator[Example]:
    """Neighbouring sentences as one text, two to five of them; None ends a stretch. Each sentence is used once."""
    stretch: list[Example] = []
    length = chance.randint(2, LONGEST_STRETCH)
    for sentence in (*sentences, None):
        if sentence is not None:
            stretch.append(sentence)
        if sentence is None or len(stretch) == length:
            if len(stretch) > 1:
                yield _joined(stretch, chance)
            stretch, length = [], chance.randint(2, LONGEST_STRETCH)


def _joined(sentences: Sequence[Example], chance: random.Random) -> Example:
    text = ""
    spans = []
    for sentence in map(_as_written, sentences):
        text += chance.choice((" ", " ", "\n", "\n\n")) if text else ""
        spans += [
            replace(span, start=span.start + len(text), end=span.end + len(text)) for span in sentence.spans or ()
        ]
        text += sentence.text
    return Example(text, spans=tuple(spans), source=sentences[0].source)


def _as_written(example: Example) -> Example:
    """The sentence without the spaces that the corpus puts before "n't" and "'s"."""
    spaces = [found.start() for found in _SPACE_INSIDE.finditer(example.text)]

    def moved(place: int) -> int:
        return place - sum(space < place for space in spaces)

    spans = tuple(replace(span, start=moved(span.start), end=moved(span.end)) for span in example.spans or ())
    return replace(example, text=_SPACE_INSIDE.sub("", example.text), spans=spans)


def _read(folder: Path, source: str, name: str | None, tested: bool) -> list[Example]:
    if name is None:
        return []
    with (folder / name).open(encoding="utf-8") as lines:
        found = list(conll.sentences(lines))
    if source == "wnut17":
        found = [_without_handles(sentence) for sentence in found]
    if source == "twitter" and not tested:
        found = [_with_whole_handles(_without_handles(sentence)) for sentence in found]
    return [_relabelled(conll.example(sentence, source)) for sentence in found if sentence.tokens]


def _relabelled(example: Example) -> Example:
    assert example.spans is not None
    spans = tuple(replace(span, label=LABELS[span.label]) for span in example.spans if span.label in LABELS)
    return replace(example, spans=spans)


def _without_handles(sentence: conll.Sentence) -> conll.Sentence:
    pairs = zip(sentence.tokens, sentence.tags, strict=True)
    kept = [(token, tag) for token, tag in pairs if not (token.startswith("@") and tag == "O")]
    return conll.Sentence(tuple(token for token, _ in kept), tuple(tag for _, tag in kept))


def _with_whole_handles(sentence: conll.Sentence) -> conll.Sentence:
    """A tweet in which the sign of a handle is marked as the name is, without the handles that are not marked."""
    tokens, tags = sentence.tokens, list(sentence.tags)
    dropped = set()
    for sign, name in pairwise(range(len(tokens))):
        if tokens[sign] != "@":
            continue
        if tags[name] == "O":
            dropped |= {sign, name}
        elif tags[sign] == "O":
            tags[sign] = f"B-{tags[name][2:]}"
    kept = [place for place in range(len(tokens)) if place not in dropped]
    return conll.Sentence(tuple(tokens[place] for place in kept), tuple(tags[place] for place in kept))
