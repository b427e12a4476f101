"""What a training is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifyd.training.columns import Columns
from classifyd.values import EMPTY, Example, TrainSetup

GUESSED = Columns()


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What to train on and how. Data are paths, glob patterns or URLs; empty evaluation or test data are split off.

    `folder` takes checkpoints and TensorBoard events; `mirror` is a URL where they are copied as they are made, and
    where `resume` finds them, empty for none. `recipe` goes to the task as it is. `command` is what was typed, for the
    report. `corrections` are added to the training set alone, the newest last. `promote`: True puts the new version in
    service, False does not, None does if it beats what serves.
    """

    data: tuple[str, ...]
    folder: Path
    base_model: str
    evaluation_data: tuple[str, ...] = ()
    test_data: tuple[str, ...] = ()
    columns: Columns = GUESSED
    evaluation_share: float = 0.1
    test_share: float = 0.1
    recipe: Mapping[str, Any] = EMPTY
    seed: int = 42
    resume: bool = False
    promote: bool | None = None
    command: str = ""
    mirror: str = ""
    corrections: tuple[Example, ...] = ()

    def setup(self, task: str) -> TrainSetup:
        """What the task itself is told."""
        return TrainSetup(task, self.folder, self.base_model, self.recipe, self.seed, self.resume)
