"""Turn the public corpora into the training files of the three starter bundles.

    python bench/starter/prepare.py --corpora DIR --output data

`DIR` holds the corpora as docs/models.md lists them. For each task there will be train.jsonl, eval.jsonl and
test.jsonl, one example a line, `source` naming the corpus; the same files for the same corpora and seed. The corpora
themselves are not part of this project, and neither are these files.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import ner
import spam
import topic

from classifyd.training.sets import Split
from classifyd.values import Example

TASKS = {"spam": spam.split, "topic": topic.split, "ner": ner.split}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("tasks", nargs="*", default=list(TASKS))
    options = parser.parse_args()
    for task in options.tasks:
        save(TASKS[task](options.corpora, options.seed), options.output / task)


def save(sets: Split, folder: Path) -> None:
    """Write the three sets and say on stderr what is in them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, examples in (("train", sets.train), ("eval", sets.evaluation), ("test", sets.test)):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row(example)) + "\n" for example in examples)
        print(f"{folder.name} {name}: {len(examples):,} {counts(examples)}", file=sys.stderr)


def row(example: Example) -> dict[str, object]:
    """One line of a training file."""
    if example.spans is None:
        return {"text": example.text, "label": example.label, "source": example.source}
    spans = [{"start": span.start, "end": span.end, "label": span.label} for span in example.spans]
    return {"text": example.text, "spans": spans, "source": example.source}


def counts(examples: Iterable[Example]) -> dict[str, int]:
    """Examples by source and label."""
    return dict(sorted(Counter(f"{one.source}/{one.label or 'sentences'}" for one in examples).items()))


if __name__ == "__main__":
    main()
