"""The data of the figures in docs/models.md, from the public corpora: one folder of JSON lines for each experiment.

    python bench/figures/prepare.py --corpora DIR --output data/figures [sms arxiv reviews curve conll banking clinc]

Corpora that bring a split keep it; where one has no evaluation set, a tenth of its training texts is split off, in
groups of near-duplicates. Texts of the training set that are in a test set leave training. None of it is part of this
project.
"""

import argparse
import csv
import gzip
import json
import lzma
import random
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from classifyd.training import conll, sets
from classifyd.training.sets import Split
from classifyd.values import Example

SEED = 42
EVALUATION_SHARE = 0.1
CURVE = (100, 250, 500, 1_000, 2_000, 4_000)

_BREAK = re.compile(r"<br\s*/?>")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("names", nargs="*", default=list(EXPERIMENTS))
    options = parser.parse_args()
    for name in options.names:
        for folder, split in EXPERIMENTS[name](options.corpora):
            _save(split, options.output / folder)


def sms(corpora: Path) -> Iterator[tuple[str, Split]]:
    """The SMS Spam Collection: a tenth for evaluation, a fifth for the test."""
    lines = (corpora / "spam/SMSSpamCollection").read_text(encoding="utf-8").splitlines()
    rows = (line.partition("\t") for line in lines)
    examples = sets.clean(Example(text.strip(), label) for label, _, text in rows).examples
    yield "sms", sets.split(examples, EVALUATION_SHARE, 0.2, SEED)


def arxiv(corpora: Path) -> Iterator[tuple[str, Split]]:
    """Titles and abstracts of arXiv under the eleven classes of the long-document benchmark, its own split."""
    folder = corpora / "topic/arxiv_abstracts11"
    train, valid, test = (_arxiv(folder / f"{name}.csv.gz") for name in ("train", "valid", "test"))
    yield "arxiv", Split(_unseen(train, (*valid, *test)), valid, test)


def reviews(corpora: Path) -> Iterator[tuple[str, Split]]:
    """IMDb reviews: the official test set, a tenth of training for evaluation."""
    yield "reviews", _reviews(corpora)


def curve(corpora: Path) -> Iterator[tuple[str, Split]]:
    """Ever more of the training reviews, half of each label, the smaller within the larger; 1,000 of the test set."""
    whole = _reviews(corpora)
    chance = random.Random(SEED)
    train = _in_turn(whole.train, chance)
    evaluation, test = _in_turn(whole.evaluation, chance)[:250], _in_turn(whole.test, chance)[:1_000]
    for size in CURVE:
        yield f"curve-{size}", Split(tuple(train[:size]), tuple(evaluation), tuple(test))


def conll_2003(corpora: Path) -> Iterator[tuple[str, Split]]:
    """CoNLL-2003 English with all four labels, its own split."""
    folder = corpora / "ner/conll2003"
    train, evaluation, test = (_columns(folder / f"eng.{name}") for name in ("train", "testa", "testb"))
    yield "conll", Split(train, evaluation, test)


def banking(corpora: Path) -> Iterator[tuple[str, Split]]:
    """Banking77: 77 intents, its own test set."""
    folder = corpora / "topic/banking77"
    train, test = (
        tuple(Example(row["text"], row["category"]) for row in _rows(folder / f"{name}.csv"))
        for name in ("train", "test")
    )
    kept = sets.split(_unseen(train, test), EVALUATION_SHARE, 0.0, SEED)
    yield "banking", Split(kept.train, kept.evaluation, test)


def clinc(corpora: Path) -> Iterator[tuple[str, Split]]:
    """CLINC150: 150 intents; what is out of their scope lies beside, as one more folder with a test set alone."""
    data = json.loads((corpora / "topic/clinc150/data_full.json").read_text(encoding="utf-8"))
    parts = {name: tuple(Example(text, intent) for text, intent in rows) for name, rows in data.items()}
    yield "clinc", Split(_unseen(parts["train"], (*parts["val"], *parts["test"])), parts["val"], parts["test"])
    yield "clinc-out-of-scope", Split((), (), parts["oos_test"])


EXPERIMENTS: dict[str, Callable[[Path], Iterator[tuple[str, Split]]]] = {
    "sms": sms,
    "arxiv": arxiv,
    "reviews": reviews,
    "curve": curve,
    "conll": conll_2003,
    "banking": banking,
    "clinc": clinc,
}


def _unseen(train: Sequence[Example], held_out: Sequence[Example]) -> tuple[Example, ...]:
    return sets.without_neighbours(sets.clean(train).examples, held_out)


def _arxiv(path: Path) -> tuple[Example, ...]:
    return tuple(Example(f"{row['title']}\n\n{row['abstract']}", row["label"]) for row in _rows(path))


def _reviews(corpora: Path) -> Split:
    train, test = (
        tuple(
            Example(_BREAK.sub("\n", row["text"]), row["label"])
            for row in _rows(corpora / f"reviews/imdb_{name}.csv.xz")
        )
        for name in ("train", "test")
    )
    kept = sets.split(_unseen(train, test), EVALUATION_SHARE, 0.0, SEED)
    return Split(kept.train, kept.evaluation, test)


def _in_turn(examples: Sequence[Example], chance: random.Random) -> list[Example]:
    """The examples in random order, a label after the other, so that every beginning is balanced."""
    by_label: dict[str, list[Example]] = defaultdict(list)
    for example in chance.sample(examples, len(examples)):
        by_label[example.label or ""].append(example)
    return [example for group in zip(*by_label.values(), strict=False) for example in group]


def _columns(path: Path) -> tuple[Example, ...]:
    with path.open(encoding="utf-8") as lines:
        return tuple(conll.example(sentence) for sentence in conll.sentences(lines))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    opened = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    with opened(path, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def _save(split: Split, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"train": split.train, "eval": split.evaluation, "test": split.test}
    for name, examples in parts.items():
        if examples:
            _write(examples, folder / f"{name}.jsonl")
    sizes = ", ".join(f"{name} {len(examples):,}" for name, examples in parts.items())
    print(f"{folder.name}: {sizes}", file=sys.stderr)


def _write(examples: Iterable[Example], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for one in examples:
            said: dict[str, object] = {"label": one.label}
            if one.spans is not None:
                said = {"spans": [{"start": s.start, "end": s.end, "label": s.label} for s in one.spans]}
            file.write(json.dumps({"text": one.text, **said}) + "\n")


if __name__ == "__main__":
    main()
