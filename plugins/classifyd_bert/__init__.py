"""The kit that BERT-backed tasks share: a task of your own is `BertSequenceTask("name")` and one hook.

Run time needs numpy, onnxruntime and tokenizers alone, and only once a task is loaded; training is imported when it is
asked for and needs the extra `classifyd[train]`. Only the recipe, a plain value, is checked without it.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from classifyd.api import (
    Choice,
    Predictor,
    Report,
    ReportSetup,
    Setup,
    TextLengths,
    TrainedModel,
    TrainingError,
    TrainingSets,
    TrainSetup,
    Trial,
)
from classifyd_bert.recipe import Recipe, recipe_faults

__all__ = ["BertSequenceTask", "BertTokenTask"]

# ONNX Runtime's own builds tell Microsoft how they are used unless this is set before they are imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


@dataclass(frozen=True, slots=True)
class _BertTask:
    """What both kinds of task share. `recipe` holds the task's own defaults, where they differ from a Recipe's."""

    name: str
    recipe: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def load(self, setup: Setup) -> Predictor:
        """The predictor of the bundle in service. BundleError if there is none or it is unfit."""
        raise NotImplementedError

    def recipe_faults(self, options: Mapping[str, Any]) -> Sequence[str]:
        """What is wrong with options of a training; quick, and without any of what training needs."""
        return recipe_faults(options, **self.recipe)

    def report(self, trial: Trial, setup: ReportSetup) -> Report:
        """What the answers are worth, with plots. TrainingError without the extra `classifyd[train]`."""
        with _extra("a report with its plots"):
            from classifyd_bert.trial import reported  # noqa: PLC0415  # see above
        return reported(trial, setup)

    def undecided(self, setup: Setup) -> str | None:
        """What the fastest runtime depends on, by one name; None where the configuration says which one."""
        from classifyd_bert.choosing import undecided  # noqa: PLC0415  # see above

        return undecided(setup)

    def choose(self, setup: Setup) -> Choice:
        """The runtime that answers fastest here. BundleError if the bundle is unfit for all of them."""
        from classifyd_bert.choosing import choose  # noqa: PLC0415  # see above

        return choose(setup, self.load)

    def measure(self, texts: Sequence[str], setup: TrainSetup) -> TextLengths:
        """The texts' lengths in tokens of the base model. TrainingError if training could not begin."""
        from classifyd_bert.measuring import measure  # noqa: PLC0415  # see above

        return measure(texts, setup, self._settled(setup))

    def _settled(self, setup: TrainSetup) -> Recipe:
        return Recipe.of(setup.options, **self.recipe)


@dataclass(frozen=True, slots=True)
class BertSequenceTask(_BertTask):
    """Gives each text one of several labels; keeps `classifyd.api.MeasuringTask` and `ReportingTask`.

    `recipe` holds the task's own defaults, where they differ from a Recipe's.
    """

    def load(self, setup: Setup) -> Predictor:
        """The predictor of the bundle in service. BundleError if there is none or it is unfit."""
        from classifyd_bert.predictor import SequencePredictor  # noqa: PLC0415  # see above

        return SequencePredictor(setup)

    def train(self, sets: TrainingSets, setup: TrainSetup) -> TrainedModel | None:
        """A model fine-tuned on the sets, quantized, and as good as before. TrainingError if it is not."""
        with _extra("training"):
            from classifyd_bert.train import train_sequence  # noqa: PLC0415  # see above
        return train_sequence(sets, setup, self._settled(setup))


@dataclass(frozen=True, slots=True)
class BertTokenTask(_BertTask):
    """Marks spans of the text; keeps `classifyd.api.MeasuringTask` and `ReportingTask`. `recipe` as above."""

    def load(self, setup: Setup) -> Predictor:
        """The predictor of the bundle in service. BundleError if there is none or it is unfit."""
        from classifyd_bert.predictor import TokenPredictor  # noqa: PLC0415  # see above

        return TokenPredictor(setup)

    def train(self, sets: TrainingSets, setup: TrainSetup) -> TrainedModel | None:
        """A model fine-tuned on the sets, quantized, and as good as before. TrainingError if it is not."""
        with _extra("training"):
            from classifyd_bert.train import train_token  # noqa: PLC0415  # see above
        return train_token(sets, setup, self._settled(setup))


@contextmanager
def _extra(what: str) -> Iterator[None]:
    """TrainingError, which says how to install it, if a package of the extra is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise TrainingError(
            f"{what} needs {error.name}, which is not installed: pip install 'classifyd[train]'"
        ) from error
