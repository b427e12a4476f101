"""The whole path, files in to files out, beside the script that most people write: three pipelines in a loop.

    python bench/files.py [--texts messages news] [--count 300] [--rounds 3]

Each kind of text is `--count` files of one message. A contender takes all of them, and has an answer for each in a
folder: the script reads, asks its three pipelines, writes JSON, file by file, or all at once at its best; classifyd is
its daemon with the three shipped tasks, which finds the files in its inbox. Each has loaded its models before. The
script reads the first 128 tokens of a text, as pipelines do; classifyd reads all of it. Prints a Markdown table.

`--spam`, `--topic` and `--ner` name tuned models in PyTorch; see material.py for what is taken without, and for texts.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import material
import turns
from serving import serving

ROOT = Path(__file__).parents[1]
TASKS = ("spam", "topic", "ner")
LONGEST = 128
BATCH = 32
Work = Callable[[], object]


def pipelines(options: argparse.Namespace) -> dict[str, Any]:
    """One of transformers for each task, as it comes but for its threads."""
    import torch
    import transformers

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    kinds = {"spam": "text-classification", "topic": "text-classification", "ner": "token-classification"}
    made = {}
    for task in options.tasks:
        more = {"aggregation_strategy": "simple"} if task == "ner" else {}
        folder = str(getattr(options, task))
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, model_max_length=LONGEST)
        made[task] = transformers.pipeline(kinds[task], model=folder, tokenizer=tokenizer, device="cpu", **more)
    return made


def ask(pipe: Any, task: str, texts: list[str], **more: Any) -> list[Any]:
    """What one pipeline says of some texts; the one for names truncates by itself, and knows no option for it."""
    if task != "ner":
        more["truncation"] = True
    return list(pipe(texts, **more))


@contextmanager
def script(options: argparse.Namespace, kind: str) -> Iterator[Work]:
    """File by file, and for each the three pipelines one after the other."""
    pipes = pipelines(options)
    with tempfile.TemporaryDirectory() as output:

        def work() -> None:
            for path in sorted((options.folder / kind).iterdir()):
                text = path.read_text()
                said = {task: ask(pipe, task, [text])[0] for task, pipe in pipes.items()}
                Path(output, f"{path.name}.json").write_text(json.dumps(said, default=float))

        yield work


@contextmanager
def batching(options: argparse.Namespace, kind: str) -> Iterator[Work]:
    """All files at once, sorted by length, in batches."""
    pipes = pipelines(options)
    with tempfile.TemporaryDirectory() as output:

        def work() -> None:
            texts = {path.name: path.read_text() for path in (options.folder / kind).iterdir()}
            names = sorted(texts, key=lambda name: len(texts[name]))
            said = {
                task: ask(pipe, task, [texts[name] for name in names], batch_size=BATCH) for task, pipe in pipes.items()
            }
            for place, name in enumerate(names):
                answer = {task: found[place] for task, found in said.items()}
                Path(output, f"{name}.json").write_text(json.dumps(answer, default=float))

        yield work


@contextmanager
def daemon(options: argparse.Namespace, kind: str) -> Iterator[Work]:
    """The daemon of `classifyd run`; a round ends with the last answer."""
    texts = options.folder / kind
    with serving(options.tasks, options.models, options.folder.parent) as running:
        yield lambda: running.answer(Path(shutil.copy(path, running.folder / path.name)) for path in texts.iterdir())


PEER = "three pipelines in a loop over files"
CONTENDERS = {PEER: script, "the same, all files at once in sorted batches of 32": batching, "classifyd run": daemon}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for task in TASKS:
        parser.add_argument(f"--{task}", type=Path, help="its checkpoint in PyTorch")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--texts", nargs="+", default=["messages", "news"])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    parser.add_argument("--answer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answer:
        with CONTENDERS[options.answer](options, options.kind) as work:
            work()  # warms up
            turns.serve(work)
    else:
        with tempfile.TemporaryDirectory(prefix="classifyd-files-") as folder:
            compare(options, Path(folder))


def compare(options: argparse.Namespace, folder: Path) -> None:
    print(f"{options.count} files of each kind, {options.rounds} rounds, tasks {', '.join(options.tasks)}\n")
    print("| texts | | files/s | least to most | ratio |\n|---|---|--:|---|--:|")
    given = list(sys.argv)
    for task in options.tasks:
        if getattr(options, task) is None:
            given += [f"--{task}", str(material.checkpoint(task, folder / "checkpoints"))]
    for number, where in enumerate(options.texts):
        kind = f"{number}"
        write(folder / "texts" / kind, where, options.count)
        sys.argv = [*given, "--folder", str(folder / "texts"), "--kind", kind]
        found = turns.rounds(list(CONTENDERS), options.rounds)
        for name, took in found.items():
            speeds = [options.count / each["seconds"] for each in took]
            print(
                f"| {where} | {name} | {statistics.median(speeds):.1f} | {min(speeds):.1f} to {max(speeds):.1f} | "
                f"{turns.ratios(found[PEER], took)} |",
                flush=True,
            )


def write(folder: Path, where: str, count: int) -> None:
    """The texts as files of one message each."""
    folder.mkdir(parents=True)
    for number, text in enumerate(material.texts(where, count)):
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
