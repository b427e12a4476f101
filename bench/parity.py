"""Whether each runtime says the same of each bundle: labels, F1, scores, and bit for bit in batches of any size.

    python bench/parity.py --models models --data DIR [--tasks spam,ner] [--count 2000] [--alike 300]

`--data` holds `<task>/test.jsonl`, as `bench/starter/prepare.py` writes it. For the bundle in service of each task and
each runtime that is installed: the share of texts (of words, where spans are marked) to which it gives the label that
ONNX Runtime gives, F1 (macro of labels, micro of spans) on `--count` texts drawn evenly, the largest difference of a
score, and how many of `--alike` texts have bit-identical answers alone, in batches of 7, of 32 and all together. Prints
a Markdown table.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from classifyd import plugins, training
from classifyd.bundles import Store
from classifyd.training import Columns
from classifyd.training.evaluation import measure
from classifyd.values import Annotation, Example, Record, Setup
from classifyd_bert.runtimes import DEFAULT, usable

BATCHES = (1, 7, 32)
CHUNK = 512
Answers = list[Annotation]


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tasks", help="separated by commas; else all that have a model")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--alike", type=int, default=300)
    options = parser.parse_args()
    store = Store(options.models)
    print("| bundle | runtime | texts | labels as in ONNX Runtime | F1 | scores differ by up to | alike in any batch |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for task in options.tasks.split(",") if options.tasks else store.tasks():
        examples = even(read(task, options.data), options.count)
        base: Answers | None = None
        for runtime in usable("cpu"):
            version = store.current(task)
            assert version is not None
            setup = Setup(task, {"runtime": runtime, "cache": 0}, store.open(task, version))
            predictor = plugins.load().task(task).load(setup)

            def said(examples: Sequence[Example], batch: int, predictor=predictor) -> Answers:
                records = [Record(example.text) for example in examples]
                return [a for at in range(0, len(records), batch) for a in predictor.predict(records[at : at + batch])]

            answers = said(examples, CHUNK)
            base = answers if runtime == DEFAULT else base
            assert base is not None
            some = even(examples, options.alike)
            together, *pieces = (said(some, batch) for batch in (len(some), *BATCHES))
            alike = sum(all(one == other for other in others) for one, *others in zip(together, *pieces, strict=True))
            same = agreement(examples, base, answers)
            difference = max(map(apart, base, answers))
            f1 = measure(task, examples, answers).f1
            print(
                f"| {task}@{version} | {predictor.runtime} | {len(examples):,} | {same:.2%} | {f1:.4f} | "
                f"{difference:.3f} | {alike} of {len(some)} |",
                flush=True,
            )


def read(task: str, data: Path) -> Sequence[Example]:
    """The labelled texts of a task."""
    columns = Columns.of(None, None, None)
    return training.labelled([str(data / task / "test.jsonl")], columns, plugins.load().readers)


def even(examples: Sequence[Example], count: int) -> list[Example]:
    """About so many of them, from all over."""
    step = max(1, len(examples) // count)
    return list(examples[::step][:count])


def agreement(examples: Sequence[Example], base: Answers, others: Answers) -> float:
    """The share of texts, or of words, that get the same label from both."""
    pairs = [
        pair
        for example, one, other in zip(examples, base, others, strict=True)
        for pair in zip(labels(example.text, one), labels(example.text, other), strict=True)
    ]
    return sum(one == other for one, other in pairs) / len(pairs)


def labels(text: str, answer: Annotation) -> list[str]:
    """The label of a text, or of each of its words: that of the span in which it begins."""
    if answer.spans is None:
        return [answer.labels[0].label]
    starts = [word.start() for word in re.finditer(r"\S+", text)]
    return [next((s.label for s in answer.spans if s.start <= start < s.end), "") for start in starts]


def apart(one: Annotation, other: Annotation) -> float:
    """The largest difference of the scores of what both say."""
    left, right = scores(one), scores(other)
    return max((abs(left[what] - right[what]) for what in left.keys() & right.keys()), default=0.0)


def scores(answer: Annotation) -> dict[object, float]:
    """What an answer says, each with its score."""
    if answer.spans is None:
        return {label.label: label.score for label in answer.labels}
    return {(span.start, span.end, span.label): span.score for span in answer.spans}


if __name__ == "__main__":
    main()
