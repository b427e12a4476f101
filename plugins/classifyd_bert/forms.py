"""The forms of one tuned model (PyTorch, ONNX in float32, ONNX in eight bits), held against each other."""

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel

from classifyd.api import BLOBS, TrainingError, TrainingSets, TrainSetup
from classifyd_bert import branching, digest, draft, export, figures, outliers, parity, ranges, reference, sensitivity
from classifyd_bert.draft import Draft
from classifyd_bert.eightbit import Batch
from classifyd_bert.kinds import Answer, Kind
from classifyd_bert.parity import Attempt, Form, Parity
from classifyd_bert.predictor import Reading
from classifyd_bert.recipe import Recipe
from classifyd_bert.tokens import Tokenizer

CALIBRATION_ROWS = 8
AS_EXPORTED = Attempt("none")


@dataclass(frozen=True, slots=True)
class Exported:
    """A draft of the model in one form, how it compares, and what it says of the evaluation set."""

    draft: Draft
    parity: Parity
    readings: list[Reading]


@dataclass(frozen=True, slots=True)
class _Source:
    """What forms are made of: the model in float32, windows to calibrate on, and `layers` below it that are shared.

    `requires` is the file that holds those; the windows then come with what it says of them.
    """

    model: Path
    batches: list[Batch]
    layers: int = 0
    requires: Mapping[str, Path] = field(default_factory=dict)


class Exporter:
    """Makes forms of a model in the training's folder, and tries each on the evaluation set as it would serve."""

    def __init__(self, kind: Kind, sets: TrainingSets, setup: TrainSetup, recipe: Recipe, tokenizer: bytes) -> None:
        self._kind = kind
        self._sets = sets
        self._recipe = recipe
        self._task = setup.task
        self._folder = setup.folder / "export"
        self._outputs = kind.outputs(sets.labels)
        self._tokenizer_bytes = tokenizer
        self._tokenizer = Tokenizer(tokenizer, recipe.max_length, recipe.stride, capitals=recipe.capitals)
        self._texts = [example.text for example in sets.evaluation]
        self._found_ranges: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}

    def export(self, model: PreTrainedModel, tell: Callable[[str], None]) -> Exported:
        """The form that passes the gate best, each one's result told. TrainingError if none does.

        A model that left its lowest layers as the base has them becomes a branch, if the gate lets that through.
        """
        shutil.rmtree(self._folder, ignore_errors=True)
        path = export.to_onnx(model, self._kind.export, self._folder / "fp32")
        export.first_token_alone(path, self._batches()[0])
        whole = _Source(path, self._batches())
        started = time.monotonic()
        expected = self._answers(reference.read(model, self._tokenizer, self._texts))
        pytorch = Form(1.0, self._macro_f1(expected), 0, time.monotonic() - started)
        plain = self._draft(whole, AS_EXPORTED, 0)
        exported, readings = self._tried(plain, expected)
        made = {AS_EXPORTED: Exported(plain, Parity(AS_EXPORTED, pytorch, exported, exported), readings)}

        def attempt(source: _Source, one: Attempt) -> Parity:
            if one not in made:
                small = self._draft(source, one, len(made))
                published, readings = self._tried(small, expected)
                made[one] = Exported(small, Parity(one, pytorch, exported, published), readings)
            return made[one].parity

        def passing(source: _Source) -> Exported:
            return made[parity.best_that_passes(self._ladder(source), partial(attempt, source), tell).attempt]

        branch = self._branch(whole)
        if branch is not None:
            with contextlib.suppress(TrainingError):
                return passing(branch)
            tell("parity: as a branch it does not pass; its layers are its own")
        return passing(whole)

    def _ladder(self, source: "_Source") -> Iterator[tuple[Attempt, ...]]:
        """The forms to try, those wanted most first."""
        if self._recipe.quantize == "none":
            yield (AS_EXPORTED,)
        else:
            ranked = sensitivity.ranked(source.model, export.products(source.model), source.batches[0])
            yield from parity.rungs(ranked, source.layers)

    def _branch(self, whole: "_Source") -> "_Source | None":
        """The model without the layers that it shares, and those in a file of their own; None if it shares none."""
        layers = int(self._recipe.freeze) if self._recipe.freeze.isdecimal() else 0
        if layers == 0 or self._recipe.quantize == "none":
            return None
        parts = branching.split(whole.model, layers, self._folder / "parts")
        if parts is None:
            return None
        with contextlib.redirect_stdout(sys.stderr):
            small = branching.trunk(parts, self._tokenizer, self._folder / "parts" / "small")
        requires = {name: self._blob(path) for name, path in small.items()}
        return _Source(parts.branch, branching.above(requires.values(), whole.batches), layers, requires)

    def _blob(self, made: Path) -> Path:
        """A file where a store would have it."""
        blob = self._folder / BLOBS / digest.sha256(made)
        blob.parent.mkdir(exist_ok=True)
        return made.replace(blob)

    def _tried(self, made: Draft, expected: Sequence[Answer]) -> tuple[Form, list[Reading]]:
        """How a draft does on the evaluation set, and what it says of it."""
        readings, seconds = made.read(self._texts)
        found = self._answers(readings)
        agreed = parity.agreement([one.places for one in expected], [one.places for one in found])
        return Form(agreed, self._macro_f1(found), made.size, seconds), readings

    def _answers(self, readings: Sequence[Reading]) -> list[Answer]:
        return [self._kind.answer(reading, self._outputs) for reading in readings]

    def _macro_f1(self, answers: Sequence[Answer]) -> float:
        said = [answer.annotation for answer in answers]
        return figures.of(self._sets.evaluation, said, self._sets.labels).macro_f1

    # ------------------------------------------------------------------ making one

    def _draft(self, source: "_Source", attempt: Attempt, number: int) -> Draft:
        manifest = {
            "task": self._task,
            "kind": self._kind.name,
            "labels": self._outputs,
            "max_length": self._recipe.max_length,
            "stride": self._recipe.stride,
            "capitals": self._recipe.capitals,
            "temperature": 1.0,
        }
        folder = self._folder / "drafts" / f"{number}-{attempt.method}"
        model = self._model(source, attempt)
        return draft.make(folder, model, self._tokenizer_bytes, manifest, source.requires)

    def _model(self, source: "_Source", attempt: Attempt) -> Path:
        """A model file in that form, to be moved away."""
        target = self._folder / "form" / "model.onnx"
        target.parent.mkdir(parents=True, exist_ok=True)
        if attempt.method == "none":
            shutil.copyfile(source.model, target)
        elif attempt.method == "apart":
            outliers.quantize(source.model, target, source.batches)
        elif attempt.method == "weights":
            export.narrow_weights(source.model, target)
        else:
            export.quantize(source.model, target, self._ranges(source, attempt.method), attempt.in_float)
        return target

    def _ranges(self, source: "_Source", method: str) -> dict[str, tuple[float, float]]:
        key = source.model.name, method
        if key not in self._found_ranges:
            self._found_ranges[key] = ranges.of(source.model, source.batches, method)
        return self._found_ranges[key]

    def _batches(self) -> list[Batch]:
        """Windows of training texts, drawn evenly over the set, as the batches that ranges are found on."""
        count = min(self._recipe.calibration_texts, len(self._sets.train))
        chosen = np.linspace(0, len(self._sets.train) - 1, count).astype(int)
        windows = self._tokenizer.windows([self._sets.train[number].text for number in chosen])
        windows = [replace(window, padded=self._recipe.max_length) for window in windows[:: -(-len(windows) // count)]]
        return ranges.in_batches(windows, min(CALIBRATION_ROWS, len(windows)), self._tokenizer.pad_id)
