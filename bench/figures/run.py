"""The experiments of docs/models.md: train each with `classifyd train`, then print their figures as Markdown.

    python bench/figures/run.py --data data/figures --output runs/figures [sms arxiv reviews curve conll banking clinc]

`--data` is what prepare.py wrote. An experiment whose model is there already is not trained again, so the command can
be repeated after an interruption, and prints the whole table. No model of these is shipped.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from prepare import CURVE

from classifyd import plugins
from classifyd.bundles import Store
from classifyd.values import Annotation, Record, Setup

SEEDS = (1, 2, 3)
CLASSIFYD = Path(sys.executable).with_name("classifyd")


@dataclass(frozen=True, slots=True)
class Experiment:
    """One training: a folder of data, the task that is trained, and how."""

    name: str
    data: str
    task: str
    recipe: tuple[str, ...]


def _recipe(words: str) -> tuple[str, ...]:
    return tuple(words.split())


def _sms() -> Iterator[Experiment]:
    ways = {
        "none": "--epochs 3 --learning-rate 1e-4",
        "4": "--epochs 3 --learning-rate 2e-4 --freeze 4",
        "all": "--epochs 20 --learning-rate 2e-3 --freeze all",
    }
    for freeze, words in ways.items():
        for seed in SEEDS:
            yield Experiment(f"sms-freeze-{freeze}-seed-{seed}", "sms", "spam", _recipe(f"{words} --seed {seed}"))


EXPERIMENTS: dict[str, Sequence[Experiment]] = {
    "sms": tuple(_sms()),
    "arxiv": (Experiment("arxiv", "arxiv", "topic", _recipe("--epochs 5 --learning-rate 1e-4 --max-length 256")),),
    "reviews": (Experiment("reviews", "reviews", "spam", _recipe("--epochs 2 --learning-rate 1e-4 --max-length 256")),),
    "curve": tuple(
        Experiment(f"curve-{size}", f"curve-{size}", "spam", _recipe("--epochs 4 --learning-rate 1e-4"))
        for size in CURVE
    ),
    "conll": (Experiment("conll", "conll", "ner", _recipe("--epochs 5 --learning-rate 1.5e-4")),),
    "banking": (Experiment("banking", "banking", "topic", _recipe("--epochs 15 --learning-rate 3e-4")),),
    "clinc": (Experiment("clinc", "clinc", "topic", _recipe("--epochs 10 --learning-rate 3e-4")),),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("names", nargs="*", default=list(EXPERIMENTS))
    options = parser.parse_args()
    chosen = [experiment for name in options.names for experiment in EXPERIMENTS[name]]
    for experiment in chosen:
        train(experiment, options.data, options.output)
    print("| experiment | test texts | accuracy | F1 | macro F1 | calibration error | minutes |")
    print("|---|" + "--:|" * 6)
    for experiment in chosen:
        print(row(experiment, options.output))
    if any(experiment.data == "clinc" for experiment in chosen):
        print(f"\nCLINC150, score against out of scope: AUROC {out_of_scope(options.data, options.output):.4f}")


def train(experiment: Experiment, data: Path, output: Path) -> None:
    """Train one, unless it was; how long it took is kept beside the model."""
    folder = output / experiment.name
    if (folder / "seconds").exists():
        return
    sets = {name: data / experiment.data / f"{name}.jsonl" for name in ("train", "eval", "test")}
    given = ["--data", sets["train"], "--eval-data", sets["eval"], "--test-data", sets["test"]]
    places = ["--output", folder / "models", "--folder", folder / "run"]
    began = time.monotonic()
    subprocess.run([CLASSIFYD, "train", experiment.task, *given, *experiment.recipe, *places], check=True)
    (folder / "seconds").write_text(f"{time.monotonic() - began:.0f}\n")


def row(experiment: Experiment, output: Path) -> str:
    """One line of the table, from the manifest; F1 is that of spam where spam is what is looked for."""
    store = Store(output / experiment.name / "models")
    metrics = store.open(experiment.task, store.versions(experiment.task)[-1]).manifest["metrics"]
    f1 = metrics["labels"].get("spam", metrics)["f1"]
    seconds = int((output / experiment.name / "seconds").read_text())
    accuracy = f"{metrics['accuracy']:.4f}" if "accuracy" in metrics else ""
    figures = (f"{metrics['examples']:,}", accuracy, f"{f1:.4f}", f"{metrics['macro_f1']:.4f}")
    cells = (experiment.name, *figures, f"{metrics['calibration_error']:.4f}", f"{seconds / 60:.1f}")
    return f"| {' | '.join(cells)} |"


def out_of_scope(data: Path, output: Path) -> float:
    """How well the score of the first label tells texts in scope from others: the area under the ROC curve."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415  # of the train extra, as all that follows

    store = Store(output / "clinc" / "models")
    bundle = store.open("topic", store.versions("topic")[-1])
    predictor = plugins.load().task("topic").load(Setup("topic", bundle=bundle, threads=2))
    scores: list[float] = []
    inside: list[bool] = []
    for folder, known in (("clinc", True), ("clinc-out-of-scope", False)):
        rows = (data / folder / "test.jsonl").read_text(encoding="utf-8").splitlines()
        answers = predictor.predict([Record(json.loads(line)["text"]) for line in rows])
        scores += [answer.labels[0].score for answer in answers if isinstance(answer, Annotation)]
        inside += [known] * len(rows)
    return float(roc_auc_score(inside, scores))


if __name__ == "__main__":
    main()
