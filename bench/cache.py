"""What the cache of answers brings: the same texts through a predictor with it and through one without, in turns.

    python bench/cache.py --bundle models/spam/3 --sms SMSSpamCollection [--rounds 3]

Once with the SMS Spam Collection as it is, and once with as many texts drawn from it as message traffic might be: the
k-th most frequent 1/k times as often as the first (Zipf). A worker's chunks (1,024 texts), one thread, a new predictor
for each pass. Prints a Markdown table of medians, and fails if any answer differs.
"""

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from classifyd import plugins
from classifyd.bundles import Store
from classifyd.values import Annotation, Record, Setup

CHUNK_RECORDS = 1024


def main() -> None:
    """Measure both, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--sms", type=Path, required=True, help="label, tab, text")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=0, help="so many texts; 0: all")
    options = parser.parse_args()
    lines = options.sms.read_text(encoding="utf-8").splitlines()
    texts = [line.partition("\t")[2] for line in lines][: options.count or None]
    print("| | texts | different | texts/s without | with | ratio | least to most |")
    print("|---|--:|--:|--:|--:|--:|---|")
    row("as it is", texts, options)
    row("drawn by Zipf's law", drawn(texts), options)


def drawn(texts: Sequence[str]) -> list[str]:
    """As many texts, some of them often."""
    chance = random.Random(1)
    kinds = sorted(set(texts))
    chance.shuffle(kinds)
    return chance.choices(kinds, [1 / rank for rank in range(1, len(kinds) + 1)], k=len(texts))


def row(name: str, texts: Sequence[str], options: argparse.Namespace) -> None:
    """One line of the table."""
    costs: dict[str, list[float]] = {"0": [], "16 MiB": []}
    answers = []
    for number in range(options.rounds):
        for cache in list(costs)[:: -1 if number % 2 else 1]:
            said, seconds = passed(texts, cache, options.bundle)
            costs[cache].append(seconds)
            answers.append(said)
    if any(said != answers[0] for said in answers):
        raise SystemExit("answers differ")
    ratios = [plain / kept for plain, kept in zip(*costs.values(), strict=True)]
    plain, kept = (len(texts) / statistics.median(found) for found in costs.values())
    print(
        f"| {name} | {len(texts):,} | {len(set(texts)):,} | {plain:,.0f} | {kept:,.0f} | "
        f"{statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} |",
        flush=True,
    )


def passed(texts: Sequence[str], cache: str, folder: Path) -> tuple[list[Annotation], float]:
    """The answers of a new predictor, and the processor time that they took."""
    bundle = Store(folder.parent.parent).open(folder.parent.name, int(folder.name))
    setup = Setup(bundle.task, {"cache": cache, "runtime": "onnxruntime"}, bundle)
    predictor = plugins.load().task(bundle.task).load(setup)
    said: list[Annotation] = []
    began = time.process_time()
    for start in range(0, len(texts), CHUNK_RECORDS):
        said += predictor.predict([Record(text) for text in texts[start : start + CHUNK_RECORDS]])
    return said, time.process_time() - began


if __name__ == "__main__":
    main()
