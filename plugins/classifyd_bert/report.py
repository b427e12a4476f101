"""What a training found, as Markdown, as figures for the manifest, and as plots. Texts of the data never appear."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers.trainer_utils import get_last_checkpoint

from classifyd.api import Example, TrainingSets
from classifyd_bert import calibration
from classifyd_bert.base import Base
from classifyd_bert.figures import Figures
from classifyd_bert.kinds import Answer
from classifyd_bert.parity import Parity
from classifyd_bert.recipe import Recipe

Measure = Callable[[Sequence[Any], Sequence[Any], Sequence[str]], Figures]


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a report tells.

    `right` and `answers` are of `held_out`: the test set, or the evaluation set where there is none; `answers` are the
    quantized model's. `history` has one entry per epoch.
    """

    recipe: Recipe
    base: Base
    history: Sequence[Mapping[str, float]]
    parity: Parity
    temperature: float
    sets: TrainingSets
    held_out: Sequence[Example]
    right: Sequence[Any]
    answers: Sequence[Answer]
    measure: Measure
    seconds: float

    @property
    def whole(self) -> Figures:
        """Figures on all that was held out."""
        return self.measure(self.right, [answer.said for answer in self.answers], self.sets.labels)

    @property
    def by_source(self) -> dict[str, Figures]:
        """Figures for each source of the held-out examples."""
        return {
            source: self.measure(
                [self.right[place] for place in places],
                [self.answers[place].said for place in places],
                self.sets.labels,
            )
            for source in sorted({example.source for example in self.held_out})
            if (places := [place for place, example in enumerate(self.held_out) if example.source == source])
        }

    @property
    def scored(self) -> tuple[list[float], list[bool]]:
        """The probability of each label or span given, and whether it was right."""
        pairs = [
            (score, said == truth if isinstance(truth, str) else said in truth)
            for truth, answer in zip(self.right, self.answers, strict=True)
            for said, score in answer.scores.items()
        ]
        return [score for score, _ in pairs], [hit for _, hit in pairs]


def history(folder: Path) -> list[dict[str, float]]:
    """The evaluations of each epoch, as the last checkpoint below `folder` remembers them."""
    checkpoint = get_last_checkpoint(str(folder / "checkpoints"))
    if checkpoint is None:
        return []
    log = json.loads((Path(checkpoint) / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
    return [
        {name.removeprefix("eval_"): value for name, value in entry.items()} for entry in log if "eval_loss" in entry
    ]


def metrics(found: Findings) -> dict[str, Any]:
    """The manifest's figures: of the held-out set as a whole, by label and by source, and of the parity gate."""
    return {
        "set": _set_name(found),
        **_plain(found.whole),
        "calibration_error": round(calibration.expected_calibration_error(*found.scored), 4),
        "labels": {one.label: _of_label(one) for one in found.whole.labels},
        "sources": {
            source: {**_plain(figures), "labels": {one.label: _of_label(one) for one in figures.labels}}
            for source, figures in found.by_source.items()
        },
        "parity": {
            "agreement": round(found.parity.agreement, 5),
            "pytorch_macro_f1": round(found.parity.reference_f1, 4),
            "quantized_macro_f1": round(found.parity.quantized_f1, 4),
            "quantization": str(found.parity.attempt),
        },
    }


def markdown(found: Findings, plots: Sequence[str]) -> str:
    """The report, from the recipe on; what leads to it (command, data, seed) the caller puts before."""
    sections = [
        ("Recipe", _recipe(found)),
        ("Epochs (evaluation set)", _epochs(found.history)),
        (f"Figures ({_set_name(found)} set, {len(found.held_out):,} texts, quantized model)", _figures(found)),
        ("Confusion", _confusion(found)),
        ("Scores", _scores(found)),
        ("PyTorch against int8 (evaluation set)", [f"{found.parity}."]),
        ("Plots", [f"![{Path(name).stem}]({name})" for name in plots]),
    ]
    return "\n".join(line for title, lines in sections if lines for line in (f"## {title}", "", *lines, ""))


def _set_name(found: Findings) -> str:
    return "test" if found.sets.test else "evaluation"


def _plain(figures: Figures) -> dict[str, Any]:
    named = {"examples": figures.examples, "f1": round(figures.f1, 4), "macro_f1": round(figures.macro_f1, 4)}
    return named if figures.accuracy is None else {**named, "accuracy": round(figures.accuracy, 4)}


def _of_label(one: Any) -> dict[str, Any]:
    return {
        "precision": round(one.precision, 4),
        "recall": round(one.recall, 4),
        "f1": round(one.f1, 4),
        "support": one.support,
    }


def _recipe(found: Findings) -> list[str]:
    return [
        "| | |",
        "|---|---|",
        f"| base model | {found.base.name}, sha256 `{found.base.sha256}` |",
        *(f"| {name.replace('_', ' ')} | {value} |" for name, value in found.recipe.as_options().items()),
        f"| time to tune | {found.seconds / 60:.1f} min |",
    ]


def _epochs(history: Sequence[Mapping[str, float]]) -> list[str]:
    names = [name for name in ("loss", "f1", "macro_f1", "accuracy") if history and name in history[0]]
    return [
        "| epoch | " + " | ".join(names) + " |",
        "|--:|" + "--:|" * len(names),
        *(
            f"| {entry['epoch']:.0f} | " + " | ".join(f"{entry[name]:.4f}" for name in names) + " |"
            for entry in history
        ),
    ]


def _figures(found: Findings) -> list[str]:
    lines = ["| source | label | precision | recall | F1 | support |", "|---|---|--:|--:|--:|--:|"]
    by_source = found.by_source
    for source, figures in [("all", found.whole), *(by_source.items() if len(by_source) > 1 else ())]:
        lines += [
            f"| {source} | {one.label} | {one.precision:.4f} | {one.recall:.4f} | {one.f1:.4f} | {one.support:,} |"
            for one in figures.labels
        ]
        summed = "all spans" if figures.accuracy is None else "mean of labels"
        accuracy = "" if figures.accuracy is None else f" (accuracy {figures.accuracy:.4f})"
        lines.append(f"| {source} | *{summed}*{accuracy} | | | **{figures.f1:.4f}** | {figures.examples:,} texts |")
    return lines


def _confusion(found: Findings) -> list[str]:
    confusion = found.whole.confusion
    if not confusion or len(confusion) > 30:
        return []
    labels = found.sets.labels
    return [
        "| right \\ given | " + " | ".join(labels) + " |",
        "|---|" + "--:|" * len(labels),
        *(
            f"| {label} | " + " | ".join(f"{n:,}" for n in row) + " |"
            for label, row in zip(labels, confusion, strict=True)
        ),
    ]


def _scores(found: Findings) -> list[str]:
    scores, right = found.scored
    sure = [hit for score, hit in zip(scores, right, strict=True) if score >= found.recipe.review_below]
    error = calibration.expected_calibration_error(scores, right)
    review = 1 - len(sure) / max(len(scores), 1)
    return [
        f"Temperature {found.temperature}, fitted on the evaluation set. Expected calibration error {error:.4f}.",
        f"Under a score of {found.recipe.review_below} lie {review:.1%} of the answers, which are for review;",
        f"of the others {sum(sure) / max(len(sure), 1):.2%} are right.",
    ]
