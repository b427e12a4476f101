"""Names: English EWT (Universal NER), Broad Twitter, WNUT-17 and WikiGold, with one set of labels: PER, ORG, LOC.

The corpora's own splits are kept. WNUT-17's group and corporation are ORG; its creative works and products, and
WikiGold's MISC, have no counterpart and are left unmarked, as EWT and Broad Twitter leave them. Broad Twitter marks
handles (the sign and the name each by itself), WNUT-17 does not: there they are taken out, so as to teach no
contradiction.
"""

from dataclasses import replace
from pathlib import Path

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


def split(corpora: Path, seed: int) -> Split:  # noqa: ARG001 (the corpora bring their own splits)
    """The corpora's own training, development and test sets, joined; copies of held-out texts leave training."""
    train, evaluation, test = (
        [one for source, files in FILES.items() for one in _read(corpora / "ner", files[number], source)]
        for number in range(3)
    )
    kept = without_neighbours(clean(train).examples, (*evaluation, *test))
    return Split(kept, tuple(evaluation), tuple(test))


def _read(folder: Path, name: str | None, source: str) -> list[Example]:
    if name is None:
        return []
    with (folder / name).open(encoding="utf-8") as lines:
        found = list(conll.sentences(lines))
    if source == "wnut17":
        found = [_without_handles(sentence) for sentence in found]
    return [_relabelled(conll.example(sentence, source)) for sentence in found if sentence.tokens]


def _relabelled(example: Example) -> Example:
    assert example.spans is not None
    spans = tuple(replace(span, label=LABELS[span.label]) for span in example.spans if span.label in LABELS)
    return replace(example, spans=spans)


def _without_handles(sentence: conll.Sentence) -> conll.Sentence:
    pairs = zip(sentence.tokens, sentence.tags, strict=True)
    kept = [(token, tag) for token, tag in pairs if not (token.startswith("@") and tag == "O")]
    return conll.Sentence(tuple(token for token, _ in kept), tuple(tag for _, tag in kept))
