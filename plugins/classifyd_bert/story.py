"""What only a training knows of its model: how it was tuned, exported and calibrated, and what that took."""

import json
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from classifyd_bert import checkpoints
from classifyd_bert.base import Base
from classifyd_bert.parity import Parity
from classifyd_bert.promises import Kept, Thresholds
from classifyd_bert.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Story:
    """One training in retrospect.

    `history` has one entry per epoch, of the evaluation set but for `training_loss`. `promises` says of each promise
    how the evaluation set keeps it, and how the test set does (None without one). `seconds` are by phase.
    """

    recipe: Recipe
    base: Base
    history: Sequence[Mapping[str, float]]
    parity: Parity
    thresholds: Thresholds
    promises: Sequence[tuple[Kept, Kept | None]]
    tested: bool
    seconds: Mapping[str, float]

    @property
    def set_name(self) -> str:
        """The set that the figures are of."""
        return "test" if self.tested else "evaluation"


def history(folder: Path) -> list[dict[str, float]]:
    """The evaluations of each epoch, as the last checkpoint below `folder` remembers them.

    `training_loss` is the mean of what was logged since the evaluation before.
    """
    made = checkpoints.in_order(folder / checkpoints.FOLDER)
    if not made:
        return []
    log = json.loads((made[-1] / checkpoints.STATE).read_text(encoding="utf-8"))["log_history"]
    epochs: list[dict[str, float]] = []
    losses: list[float] = []
    for entry in log:
        if "eval_loss" in entry:
            said = {name.removeprefix("eval_"): value for name, value in entry.items()}
            epochs.append(said | ({"training_loss": sum(losses) / len(losses)} if losses else {}))
            losses = []
        elif "loss" in entry:
            losses.append(entry["loss"])
    return epochs


def memory() -> dict[str, int]:
    """The most bytes that this process has held so far: of main memory, and of the GPU's if one was used."""
    used = {"main memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if torch.cuda.is_available():
        used["GPU memory"] = int(torch.cuda.max_memory_allocated())
    return used
