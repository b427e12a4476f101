"""What it saves that models share layers: three tasks with models of their own, and as branches of one base.

    python bench/branching.py [--texts messages news] [--depths 2 4] [--count 1024] [--rounds 5]

The models are the encoder that the shipped ones were tuned from under new heads, in eight bits, as the kit exports
them: they answer nonsense, at the same speed. Each contender is a process of one thread that asks the three tasks one
after the other about the same chunks, as a worker does, without cache. Prints a Markdown table: texts per second of
processor time, median of the rounds, and how many times as fast as models apart, median of the rounds' ratios.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

import material
import turns
from classifyd import plugins
from classifyd.api import Predictor, TrainedModel
from classifyd.bundles import Store
from classifyd.pipeline.annotate import CHUNK_CHARS, CHUNK_RECORDS
from classifyd.values import Record, Setup
from classifyd_bert import base, branching, draft, export, outliers
from classifyd_bert.tokens import Tokenizer

LENGTH, STRIDE = 128, 32
SPANS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", nargs="+", default=["messages", "news"])
    parser.add_argument("--depths", nargs="+", type=int, default=[2, 4])
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--count", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", help=argparse.SUPPRESS)
    parser.add_argument("--answer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answer:
        answer(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        sys.argv += ["--models", folder]
        with contextlib.redirect_stdout(sys.stderr):
            make(Path(folder), options.depths)
        compare(options)


def compare(options: argparse.Namespace) -> None:
    """The table."""
    print("| texts | models | texts a second | times as fast as apart |")
    print("|---|---|--:|--:|")
    for kind in options.texts:
        names = ("0", *map(str, options.depths))
        taken = turns.rounds([f"{kind} {name}" for name in names], options.rounds)
        apart = taken[f"{kind} 0"]
        for name in names:
            mine = taken[f"{kind} {name}"]
            seconds = statistics.median(one["processor"] for one in mine)
            pairs = zip(apart, mine, strict=True)
            ratio = statistics.median(other["processor"] / one["processor"] for other, one in pairs)
            size = len(material.texts(kind, options.count))
            what = f"{name} of 6 layers shared" if name != "0" else "apart"
            print(f"| {kind} | {what} | {size / seconds:,.0f} | {ratio:.2f} |", flush=True)


def make(folder: Path, depths: Sequence[int]) -> None:
    """A store with each task's model whole, version 1, and as a branch of each depth, versions 2 and on."""
    store, found = Store(folder / "models"), base.find(base.DEFAULT)
    tokenizer = draft.plain_tokenizer(found.folder / "tokenizer.json")
    (folder / "tokenizer.json").write_bytes(tokenizer)
    batches = branching.batches(Tokenizer(tokenizer, LENGTH, STRIDE))
    for task, labels in (("spam", ("ham", "spam")), ("topic", tuple("abcd")), ("ner", SPANS)):
        head = AutoModelForTokenClassification if task == "ner" else AutoModelForSequenceClassification
        model = head.from_pretrained(found.folder, num_labels=len(labels), attn_implementation="eager").eval()
        kind = "token" if task == "ner" else "text"
        whole = export.to_onnx(model, f"{kind}-classification", folder / task)
        export.first_token_alone(whole, batches[0])
        said = {
            "kind": "token" if task == "ner" else "sequence",
            "labels": list(labels),
            "max_length": LENGTH,
            "stride": STRIDE,
            "temperature": 1.0,
        }
        for depth in (0, *depths):
            parts = branching.split(whole, depth, folder / task / str(depth)) if depth else None
            trunk = branching.trunk(parts, Tokenizer(tokenizer, LENGTH, STRIDE), folder / "trunk") if parts else {}
            small = folder / task / f"{depth}.onnx"
            outliers.quantize(parts.branch if parts else whole, small, branching.above(trunk.values(), batches))
            files = {"model.onnx": small, "tokenizer.json": folder / "tokenizer.json"}
            store.publish(task, TrainedModel(files, said, "", trunk), {})


def answer(options: argparse.Namespace) -> None:
    """Be one contender."""
    kind, _, depth = options.answer.partition(" ")
    store = Store(Path(options.models) / "models")
    version = 1 + [0, *options.depths].index(int(depth))
    load = plugins.load()
    settings = {"runtime": options.runtime, "cache": 0}
    predictors = [
        load.task(task).load(Setup(task, settings, store.open(task, version), threads=1))
        for task in ("spam", "topic", "ner")
    ]
    chunks = chunked(material.texts(kind, options.count))
    ask(predictors, chunks[:1])
    turns.serve(lambda: ask(predictors, chunks))


def ask(predictors: Sequence[Predictor], chunks: Sequence[Sequence[Record]]) -> None:
    """Every task about every chunk, as the pipeline does it."""
    for chunk in chunks:
        for predictor in predictors:
            predictor.predict(chunk)


def chunked(texts: Sequence[str]) -> list[list[Record]]:
    """The texts as the pipeline hands them to tasks."""
    chunks: list[list[Record]] = [[]]
    chars = 0
    for text in texts:
        chunks[-1].append(Record(text))
        chars += len(text)
        if len(chunks[-1]) >= CHUNK_RECORDS or chars >= CHUNK_CHARS:
            chunks.append([])
            chars = 0
    return [chunk for chunk in chunks if chunk]


if __name__ == "__main__":
    main()
