"""Where the time goes, files in to files out, and what durability costs.

    python bench/stages.py [--texts messages] [--tasks spam] [--count 2000] [--rounds 3] [--runtime onnxruntime]

A real daemon answers the same texts as one table and as a file each, with watches on its stages (launch.py). Prints
Markdown: the share of each stage in what the workers and the daemon did between the first file and the last answer; the
model's time by operator, in ONNX Runtime on windows of those texts; and, in turns, a daemon as it is beside one that
never waits for the disk.
"""

import argparse
import collections
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import growth
import material
from classifyd.bundles import Store
from serving import Serving, serving

ROOT = Path(__file__).parents[1]
LAUNCH = (sys.executable, Path(__file__).with_name("launch.py"))


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds that a process spent: by stage those of the clock and of the processor, and all of the processor's."""

    stages: Mapping[str, tuple[float, float]]
    processor: float

    @classmethod
    def told(cls, path: Path) -> Self:
        """What it has told of itself so far (launch.py)."""
        said = json.loads(path.read_text(encoding="ascii"))
        return cls({name: (clock, processor) for name, (clock, processor) in said["stages"].items()}, said["processor"])

    def since(self, before: Self) -> Self:
        """What it has spent since then."""
        stages = {}
        for name, (clock, processor) in self.stages.items():
            clock_before, processor_before = before.stages.get(name, (0.0, 0.0))
            stages[name] = clock - clock_before, processor - processor_before
        return type(self)(stages, self.processor - before.processor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", default="messages", help="messages, news, names, or a JSONL file, FILE[:SOURCE]")
    parser.add_argument("--tasks", nargs="+", default=["spam"])
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runtime", default="onnxruntime")
    options = parser.parse_args()
    texts = material.texts(options.texts, 1_000)
    print(f"{options.count:,} texts, tasks {', '.join(options.tasks)}, runtime {options.runtime}\n")
    with tempfile.TemporaryDirectory(prefix="classifyd-stages-") as name:
        watch(texts, Path(name), options)
        print(*operators(texts, Path(name), options), sep="\n")
        print()
        print(*durability(texts, Path(name), options), sep="\n")


def chosen(options: argparse.Namespace) -> dict[str, str]:
    """The runtime, as the environment tells it to a daemon."""
    return {f"CLASSIFYD_TASKS__{task.upper()}__RUNTIME": options.runtime for task in options.tasks}


# ---------------------------------------------------------------------- stages


def watch(texts: Sequence[str], folder: Path, options: argparse.Namespace) -> None:
    """A table of stages for texts in one table, and one for texts in files."""
    told = folder / "told"
    told.mkdir()
    environment = {**chosen(options), "STAGES": str(told)}
    with serving(options.tasks, options.models, folder, command=LAUNCH, environment=environment) as daemon:
        daemon.answer([growth.table(folder, texts, options.count)])  # warms up
        shapes = {"one table": [growth.table(folder, texts, options.count)]}
        shapes["a file each"] = growth.files(folder / "files", texts, options.count)
        for shape, paths in shapes.items():
            time.sleep(1)
            before = read(told)
            seconds = daemon.answer(paths)
            time.sleep(1)
            after = read(told)
            print(f"{shape}: {options.count / seconds:,.0f} records/s\n")
            print("| process | stage | share of its time | of its processor time |\n|---|---|--:|--:|")
            main_process = daemon.process.pid
            lines("a worker", [after[one].since(before[one]) for one in before if one != main_process], seconds)
            lines("the daemon", [after[main_process].since(before[main_process])], seconds)
            print(flush=True)


def read(folder: Path) -> dict[int, Spent]:
    """What each process has told so far."""
    return {int(path.stem): Spent.told(path) for path in folder.glob("*.json")}


def lines(process: str, processes: Sequence[Spent], seconds: float) -> None:
    """Lines for processes of one kind, those that did nothing left out: what most takes first, what is left last."""
    busy = [one for one in processes if process == "the daemon" or one.processor > 0.05]
    clock, processor = seconds * len(busy), sum(one.processor for one in busy)
    total: dict[str, tuple[float, float]] = collections.defaultdict(lambda: (0.0, 0.0))
    for one in busy:
        for name, taken in one.stages.items():
            if name != "idle":
                total[name] = total[name][0] + taken[0], total[name][1] + taken[1]
    rest = clock - sum(one[0] for one in total.values()), processor - sum(one[1] for one in total.values())
    for name, taken in sorted(total.items(), key=lambda item: -item[1][0]):
        print(f"| {process} | {name} | {taken[0] / clock:.1%} | {taken[1] / processor:.1%} |")
    print(f"| {process} | waiting, and what no stage has | {max(0, rest[0]) / clock:.1%} | {rest[1] / processor:.1%} |")


# ---------------------------------------------------------------------- operators


def operators(texts: Sequence[str], folder: Path, options: argparse.Namespace) -> list[str]:
    """A line for each kind of operator of the first task's model, one thread of ONNX Runtime, in micro-batches."""
    import onnxruntime

    from classifyd_bert import microbatch, runtimes
    from classifyd_bert.tokens import Tokenizer, pad

    store = Store(options.models)
    task = options.tasks[0]
    bundle = store.open(task, store.current(task) or 1)
    manifest = bundle.manifest
    capitals = bool(manifest.get("capitals"))
    tokenizer = Tokenizer(bundle.read("tokenizer.json"), manifest["max_length"], manifest["stride"], capitals=capitals)
    windows = tokenizer.windows(texts)
    settings = runtimes.session_options(1)
    settings.enable_profiling = True
    settings.profile_file_prefix = str(folder / "operators")
    session = onnxruntime.InferenceSession(bundle.read("model.onnx"), settings, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    for batch in microbatch.plan([window.padded for window in windows]):
        inputs = pad([windows[place] for place in batch], tokenizer.pad_id)
        types = inputs["input_ids"] * 0
        session.run(None, {name: {"token_type_ids": types, **inputs}[name] for name in names})
    taken: collections.Counter[str] = collections.Counter()
    for event in json.loads(Path(session.end_profiling()).read_text(encoding="utf-8")):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            taken[event["args"]["op_name"]] += event["dur"]
    most = [(name, each / taken.total()) for name, each in taken.most_common()]
    return [
        f"| operator of {task}@{bundle.version} | share of the model's time |\n|---|--:|",
        *(f"| {name} | {share:.1%} |" for name, share in most if share > 0.005),
    ]


# ---------------------------------------------------------------------- durability


def durability(texts: Sequence[str], folder: Path, options: argparse.Namespace) -> list[str]:
    """Seconds of a daemon as it is and of one that never waits for the disk, for one table and for files, in turns."""
    said = [
        "| | as it is, records/s | without fsync | share of durability, median | least to most |\n|---|--:|--:|--:|---|"
    ]
    careless = {**chosen(options), "UNSAFE": "1"}
    with (
        serving(options.tasks, options.models, folder, command=LAUNCH, environment=chosen(options)) as safe,
        serving(options.tasks, options.models, folder, command=LAUNCH, environment=careless) as unsafe,
    ):
        for daemon in (safe, unsafe):
            daemon.answer([growth.table(folder, texts, options.count)])  # warms up
        for shape in ("one table", "a file each"):
            pairs = [
                [once(daemon, shape, texts, folder, options) for daemon in (safe, unsafe)]
                for _ in range(options.rounds)
            ]
            shares = [1 - without / with_it for with_it, without in pairs]
            rates = [options.count / statistics.median(each) for each in zip(*pairs, strict=True)]
            said.append(
                f"| {shape} | {rates[0]:,.0f} | {rates[1]:,.0f} | {statistics.median(shares):.1%} | "
                f"{min(shares):.1%} to {max(shares):.1%} |"
            )
    return said


def once(daemon: Serving, shape: str, texts: Sequence[str], folder: Path, options: argparse.Namespace) -> float:
    """Seconds until a daemon has answered the texts."""
    if shape == "one table":
        return daemon.answer([growth.table(folder, texts, options.count)])
    place = Path(tempfile.mkdtemp(dir=folder))
    return daemon.answer(growth.files(place / "files", texts, options.count))


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
