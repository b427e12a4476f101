"""Labelled sets to a finished model: tuned, exported, quantized, held against the original, calibrated, measured."""

import importlib.metadata
import time
from collections.abc import Sequence
from typing import Any

import transformers

from classifyd.api import Annotation, TrainedModel, TrainingError, TrainingSets, TrainSetup
from classifyd_bert import (
    base,
    baseline,
    chronicle,
    draft,
    figures,
    findings,
    metrics,
    plots,
    promises,
    story,
)
from classifyd_bert.draft import Draft
from classifyd_bert.forms import Exporter
from classifyd_bert.heads import Calibration
from classifyd_bert.kinds import Kind, SequenceKind, TokenKind
from classifyd_bert.manifest import calibration_entries
from classifyd_bert.predictor import Reading
from classifyd_bert.recipe import Recipe
from classifyd_bert.tokens import Tokenizer
from classifyd_bert.tuning import Tuning
from classifyd_bert.watching import tell

LIBRARIES = (
    "torch",
    "transformers",
    "optimum",
    "onnx",
    "onnxruntime",
    "tokenizers",
    "numpy",
    "scikit-learn",
    "seqeval",
)


def train_sequence(sets: TrainingSets, setup: TrainSetup, recipe: Recipe) -> TrainedModel | None:
    """A model that gives each text one of the sets' labels; None in a process that only helped another to train.

    TrainingError, and nothing to publish, if it is unfit.
    """
    return _Training(SequenceKind(), sets, setup, recipe).run()


def train_token(sets: TrainingSets, setup: TrainSetup, recipe: Recipe) -> TrainedModel | None:
    """A model that marks spans with the sets' labels; None and TrainingError as above."""
    return _Training(TokenKind(), sets, setup, recipe).run()


class _Training:
    """One training, from the base model to the files of a bundle."""

    def __init__(self, kind: Kind, sets: TrainingSets, setup: TrainSetup, recipe: Recipe) -> None:
        self._kind = kind
        self._sets = sets
        self._setup = setup
        self._recipe = recipe
        self._base = base.find(setup.base_model)
        if self._recipe.max_length > self._base.positions:
            raise TrainingError(
                f"max_length {self._recipe.max_length}: {self._base.name} takes {self._base.positions} tokens at most; "
                f"give --max-length {self._base.positions} or less: longer texts are read in windows"
            )
        self._promises = [promises.parse(text, sets.labels) for text in self._recipe.promises]
        self._outputs = kind.outputs(sets.labels)
        self._folder = setup.folder
        self._tuning = Tuning(kind, sets, setup, recipe, self._base)
        self._tokenizer_bytes = draft.plain_tokenizer(self._base.folder / "tokenizer.json")
        self._tokenizer = Tokenizer(
            self._tokenizer_bytes, self._recipe.max_length, self._recipe.stride, capitals=self._recipe.capitals
        )
        self._exporter = Exporter(kind, sets, setup, self._recipe, self._tokenizer_bytes)

    def run(self) -> TrainedModel | None:
        recipe = self._recipe
        clock = _Clock()
        transformers.logging.set_verbosity_error()
        learnt = self._tuning.run(self._tokenizer)
        if not learnt.main:
            return None
        before = learnt.facts["resumed_after"]
        clock.lap("tuning" if before is None else f"tuning, resumed after step {before:,} of {learnt.facts['steps']:,}")
        exported = self._exporter.export(learnt.model, tell)
        clock.lap("export and parity")
        calibration = self._kind.calibration(exported.readings, self._sets.evaluation, self._outputs)
        final = exported.draft.with_manifest(**calibration_entries(calibration, self._kind.name))
        judged = self._answers(exported.readings, calibration)
        thresholds = promises.Thresholds(
            recipe.review_below,
            promises.keep(self._promises, self._sets.evaluation, judged, recipe.promise_confidence),
        )
        readings = self._readings(final) if self._sets.test else exported.readings
        tested = self._answers(readings, calibration) if self._sets.test else judged
        found = findings.of(self._sets.test or self._sets.evaluation, tested, self._sets.labels)
        clock.lap("measuring")
        told = story.Story(
            recipe=recipe,
            base=self._base,
            history=story.history(self._folder),
            parity=exported.parity,
            thresholds=thresholds,
            promises=[self._kept(promise, thresholds, judged, tested) for promise in self._promises],
            tested=bool(self._sets.test),
            seconds=clock.seconds,
        )
        pictures = plots.draw(found, told.history, self._folder / "plots")
        manifest = {
            **final.manifest,
            "thresholds": {"review": thresholds.review, "labels": dict(thresholds.labels)},
            "promises": list(recipe.promises),
            "metrics": metrics.of_training(told, found),
            "baseline": baseline.of(told.set_name, readings, tested, thresholds, self._tokenizer),
            "base_model": self._base.name,
            "base_sha256": self._base.sha256,
            "options": recipe.as_options(),
            "training": learnt.facts,
            "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
            "examples": self._known_answers(final, found),
        }
        report = chronicle.of_training(told, found, pictures)
        return TrainedModel({**final.files, **pictures}, manifest, report, final.requires)

    # ------------------------------------------------------------------ measuring

    def _answers(self, readings: Sequence[Reading], calibration: Calibration) -> list[Annotation]:
        return [self._kind.answer(reading, self._outputs, calibration).annotation for reading in readings]

    def _readings(self, final: Draft) -> list[Reading]:
        readings, _ = final.read([example.text for example in self._sets.test])
        return readings

    def _kept(
        self,
        promise: promises.Promise,
        thresholds: promises.Thresholds,
        judged: Sequence[Annotation],
        tested: Sequence[Annotation],
    ) -> tuple[promises.Kept, promises.Kept | None]:
        sets = self._sets
        on_test = promises.kept(promise, thresholds, sets.test, tested) if sets.test else None
        return promises.kept(promise, thresholds, sets.evaluation, judged), on_test

    def _known_answers(self, final: Draft, found: findings.Findings) -> list[dict[str, Any]]:
        """What the bundle must answer wherever it is loaded: to the recipe's texts, else to some sure held-out ones."""
        texts = self._recipe.examples
        if texts is None:
            short = [
                (min(scores), example.text)
                for example, answer in zip(found.examples, found.answers, strict=True)
                if len(example.text) <= 200 and (scores := figures.scored([example], [answer])[0])
            ]
            sure = [text for score, text in short if score > 0.9]
            surest = [text for _, text in sorted(short, reverse=True)]
            texts = tuple(sure[:: len(sure) // 6][:6] if len(sure) >= 6 else surest[:6])
        return final.known_answers(texts)


class _Clock:
    """What each phase of a training took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.monotonic()

    def lap(self, phase: str) -> None:
        """End a phase, and begin the next."""
        now = time.monotonic()
        self.seconds[phase], self._since = now - self._since, now
