"""The experiments of docs/models.md: train each with `classifyd train`, then print their figures as Markdown.

    python bench/figures/run.py --data data/figures --output runs/figures [sms arxiv reviews curve conll banking clinc]

`--data` is what prepare.py wrote. An experiment whose model is there already is not trained again, so the command can
be repeated after an interruption, and prints the whole table. No model of these is shipped. Minutes are those of the
processor, export and report with them: on a machine that is shared others' work does not count.
"""

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prepare import CURVE

from classifyd import plugins
from classifyd.bundles import Store
from classifyd.values import Annotation, Bundle, Label, Record, Setup

SEEDS = (1, 2, 3)
WAYS = {
    "none": "--epochs 3 --learning-rate 1e-4",
    "4": "--epochs 3 --learning-rate 2e-4 --freeze 4",
    "all": "--epochs 20 --learning-rate 2e-3 --freeze all",
}
"""What is frozen of the encoder's six layers for the SMS, and the recipe that goes with it."""
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
    for freeze, words in WAYS.items():
        for seed in SEEDS:
            yield Experiment(f"sms-freeze-{freeze}-seed-{seed}", "sms", "spam", _recipe(f"{words} --seed {seed}"))


EXPERIMENTS: dict[str, Sequence[Experiment]] = {
    "sms": tuple(_sms()),
    "arxiv": (
        Experiment(
            "arxiv", "arxiv", "topic", _recipe("--epochs 3 --learning-rate 1e-4 --max-length 192 --quantize none")
        ),
    ),
    "reviews": (Experiment("reviews", "reviews", "spam", _recipe("--epochs 1 --learning-rate 1e-4 --max-length 256")),),
    "curve": tuple(
        # A few texts make few steps: they are seen more often.
        Experiment(
            f"curve-{size}",
            f"curve-{size}",
            "spam",
            _recipe(f"--epochs {8 if size <= 500 else 4} --learning-rate 1e-4 --quantize none"),
        )
        for size in CURVE
    ),
    "conll": (
        Experiment("conll", "conll", "ner", _recipe("--epochs 5 --learning-rate 1.5e-4 --capitals --average 3")),
    ),
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
    print("| experiment | test texts | accuracy | F1 | macro F1 | calibration error | processor minutes |")
    print("|---|" + "--:|" * 6)
    for experiment in chosen:
        print(row(experiment, options.output))
    for name, show in SHOWN.items():
        if name in options.names:
            print(f"\n{show(options.data, options.output)}")


def train(experiment: Experiment, data: Path, output: Path) -> None:
    """Train one, unless it was; what it took of the processor is kept beside the model."""
    folder = output / experiment.name
    if (folder / "seconds").exists():
        return
    sets = {name: data / experiment.data / f"{name}.jsonl" for name in ("train", "eval", "test")}
    given = ["--data", sets["train"], "--eval-data", sets["eval"], "--test-data", sets["test"]]
    places = ["--output", folder / "models", "--folder", folder / "run"]
    began = _processor_seconds()
    subprocess.run([CLASSIFYD, "train", experiment.task, *given, *experiment.recipe, *places], check=True)
    (folder / "seconds").write_text(f"{_processor_seconds() - began:.0f}\n")


def _processor_seconds() -> float:
    """What all commands so far took of the processor."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def row(experiment: Experiment, output: Path) -> str:
    """One line of the table, from the manifest; F1 is that of spam where spam is what is looked for."""
    metrics = metrics_of(output / experiment.name)
    f1 = metrics["labels"].get("spam", metrics)["f1"]
    accuracy = f"{metrics['accuracy']:.4f}" if "accuracy" in metrics else ""
    figures = (f"{metrics['examples']:,}", accuracy, f"{f1:.4f}", f"{metrics['macro_f1']:.4f}")
    minutes = seconds_of(output / experiment.name) / 60
    cells = (experiment.name, *figures, f"{metrics['calibration_error']:.4f}", f"{minutes:.1f}")
    return f"| {' | '.join(cells)} |"


def out_of_scope(data: Path, output: Path) -> str:
    """How well the score of the first label tells texts in scope from others: the area under the ROC curve."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415  # of the train extra, as all that follows

    scores: list[float] = []
    inside: list[bool] = []
    for folder, known in (("clinc", True), ("clinc-out-of-scope", False)):
        answers = ask(output / "clinc", _rows(data / folder / "test.jsonl"))
        scores += [answer.score for answer in answers]
        inside += [known] * len(answers)
    return f"CLINC150, score against out of scope: AUROC {roc_auc_score(inside, scores):.4f}"


def ten_abstracts(data: Path, output: Path) -> str:
    """Ten abstracts of the test set, drawn by seed: what each is, and what the model takes it for."""
    rows = random.Random(SEEDS[0]).sample(_rows(data / "arxiv" / "test.jsonl"), 10)
    answers = ask(output / "arxiv", rows)
    right = sum(row["label"] == answer.label for row, answer in zip(rows, answers, strict=True))
    lines = [f"Ten unseen abstracts: {right} right, {len(rows) - right} wrong", ""]
    lines += ["| title | class | answer | score |", "|---|---|---|--:|"]
    for row, answer in zip(rows, answers, strict=True):
        title = row["text"].partition("\n")[0].replace("|", "\\|")
        lines.append(f"| {title} | {row['label']} | {answer.label} | {answer.score:.3f} |")
    return "\n".join(lines)


def draw_curve(_: Path, output: Path) -> str:
    """Accuracy and training time against the number of training texts, as a picture beside the models."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(8.0, 3.2), layout="constrained")
    accuracies, minutes = figure.subplots(1, 2)
    accuracies.plot(CURVE, [metrics_of(output / f"curve-{size}")["accuracy"] for size in CURVE], marker="o")
    minutes.plot(CURVE, [seconds_of(output / f"curve-{size}") / 60 for size in CURVE], marker="o")
    for axes, name in ((accuracies, "accuracy on the test set"), (minutes, "processor minutes of training")):
        axes.set(xscale="log", xlabel="training texts", ylabel=name)
        axes.set_xticks(CURVE, [f"{size:,}" for size in CURVE])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    figure.savefig(output / "curve.png", dpi=110)
    return f"The learning curve is drawn in {output / 'curve.png'}"


def three_ways(_: Path, output: Path) -> str:
    """All, some and no layers frozen, side by side: the mean and the spread of accuracy, F1 and time over the seeds."""
    lines = ["| frozen | accuracy | F1 of spam | processor minutes |", "|---|--:|--:|--:|"]
    for freeze in WAYS:
        folders = [output / f"sms-freeze-{freeze}-seed-{seed}" for seed in SEEDS]
        metrics = [metrics_of(folder) for folder in folders]
        accuracy = spread([one["accuracy"] for one in metrics], 4)
        f1 = spread([one["labels"]["spam"]["f1"] for one in metrics], 4)
        lines.append(f"| {freeze} | {accuracy} | {f1} | {spread([seconds_of(one) / 60 for one in folders], 1)} |")
    return "\n".join(lines)


def spread(figures: Sequence[float], digits: int) -> str:
    """The mean of some figures, and the least and the greatest."""
    mean, least, greatest = statistics.mean(figures), min(figures), max(figures)
    return f"{mean:.{digits}f} ({least:.{digits}f} to {greatest:.{digits}f})"


def ask(folder: Path, rows: Sequence[dict[str, str]]) -> list[Label]:
    """The likeliest label of each row by the model trained in `folder`."""
    bundle = newest(folder)
    predictor = plugins.load().task(bundle.task).load(Setup(bundle.task, bundle=bundle, threads=2))
    answers = predictor.predict([Record(row["text"]) for row in rows])
    return [answer.labels[0] for answer in answers if isinstance(answer, Annotation)]


def newest(folder: Path) -> Bundle:
    """The last bundle of an experiment, whatever its task."""
    store = Store(folder / "models")
    (task,) = (path.name for path in store.path.iterdir() if path.is_dir() and store.versions(path.name))
    return store.open(task, store.versions(task)[-1])


def metrics_of(folder: Path) -> dict[str, Any]:
    """What the model of an experiment reached on its test set, as its manifest has it."""
    found: dict[str, Any] = newest(folder).manifest["metrics"]
    return found


def seconds_of(folder: Path) -> int:
    """What the training of an experiment took of the processor, export and report with it."""
    return int((folder / "seconds").read_text())


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


SHOWN: dict[str, Callable[[Path, Path], str]] = {
    "sms": three_ways,
    "arxiv": ten_abstracts,
    "curve": draw_curve,
    "clinc": out_of_scope,
}


if __name__ == "__main__":
    main()
