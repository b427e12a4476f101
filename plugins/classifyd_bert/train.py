"""Labelled sets to a finished model: tuned, exported, quantized, held against the original, calibrated, measured."""

import importlib.metadata
import sys
import time
from collections.abc import Sequence
from typing import Any

import transformers
from numpy.typing import NDArray
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, set_seed

from classifyd.api import Annotation, TrainedModel, TrainingError, TrainingSets, TrainSetup
from classifyd_bert import (
    base,
    chronicle,
    course,
    draft,
    figures,
    findings,
    learning,
    metrics,
    plots,
    predictor,
    promises,
    reference,
)
from classifyd_bert.draft import Draft
from classifyd_bert.features import Items, OneOfEach
from classifyd_bert.figures import Figures
from classifyd_bert.forms import Exporter
from classifyd_bert.heads import Calibration
from classifyd_bert.kinds import Kind, SequenceKind, TokenKind
from classifyd_bert.predictor import Reading
from classifyd_bert.recipe import Recipe
from classifyd_bert.tokens import Tokenizer

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


def train_sequence(sets: TrainingSets, setup: TrainSetup) -> TrainedModel:
    """A model that gives each text one of the sets' labels. TrainingError, and nothing to publish, if it is unfit."""
    return _Training(SequenceKind(), sets, setup).run()


def train_token(sets: TrainingSets, setup: TrainSetup) -> TrainedModel:
    """A model that marks spans with the sets' labels. TrainingError, and nothing to publish, if it is unfit."""
    return _Training(TokenKind(), sets, setup).run()


def tell(line: str) -> None:
    """Say something to whoever watches the training."""
    print(line, file=sys.stderr, flush=True)


class _Training:
    """One training, from the base model to the files of a bundle."""

    def __init__(self, kind: Kind, sets: TrainingSets, setup: TrainSetup) -> None:
        self._kind = kind
        self._sets = sets
        self._setup = setup
        self._recipe = Recipe.of(setup.options)
        self._base = base.find(setup.base_model)
        if self._recipe.max_length > self._base.positions:
            raise TrainingError(
                f"max length {self._recipe.max_length}: {self._base.name} takes {self._base.positions} tokens at most"
            )
        self._promises = [promises.parse(text, sets.labels) for text in self._recipe.promises]
        self._outputs = kind.outputs(sets.labels)
        self._folder = setup.folder
        self._tokenizer_bytes = draft.plain_tokenizer(self._base.folder / "tokenizer.json")
        self._tokenizer = Tokenizer(self._tokenizer_bytes, self._recipe.max_length, self._recipe.stride)
        self._exporter = Exporter(kind, sets, setup, self._recipe, self._tokenizer_bytes)

    def run(self) -> TrainedModel:
        recipe = self._recipe
        clock = _Clock()
        transformers.logging.set_verbosity_error()
        model = self._tune()
        clock.lap("tuning")
        exported = self._exporter.export(model, tell)
        clock.lap("export and parity")
        calibration = self._kind.calibration(exported.readings, self._sets.evaluation, self._outputs)
        final = exported.draft.with_manifest(**predictor.calibration_entries(calibration, self._kind.name))
        judged = self._answers(exported.readings, calibration)
        thresholds = promises.Thresholds(
            recipe.review_below,
            promises.keep(self._promises, self._sets.evaluation, judged, recipe.promise_confidence),
        )
        tested = self._tested(final, calibration) if self._sets.test else judged
        found = findings.of(self._sets.test or self._sets.evaluation, tested, self._sets.labels)
        clock.lap("measuring")
        told = course.Course(
            recipe=recipe,
            base=self._base,
            history=course.history(self._folder),
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
            "base_model": self._base.name,
            "base_sha256": self._base.sha256,
            "options": recipe.as_options(),
            "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
            "examples": self._known_answers(final, found),
        }
        return TrainedModel({**final.files, **pictures}, manifest, chronicle.of_training(told, found, pictures))

    # ------------------------------------------------------------------ learning

    def _tune(self) -> PreTrainedModel:
        recipe, kind = self._recipe, self._kind
        set_seed(self._setup.seed)
        texts = [example.text for example in self._sets.evaluation]
        train = kind.windows(self._tokenizer, self._sets.train, self._outputs)
        evaluation = kind.windows(self._tokenizer, self._sets.evaluation, self._outputs).by_length()
        right = [kind.truth(example) for example in self._sets.evaluation]

        def measure(logits: Sequence[NDArray[Any]]) -> dict[str, float]:
            given = [kind.answer(one, self._outputs).said for one in reference.of_windows(evaluation, logits, texts)]
            return _plain(kind.figures(right, given, self._sets.labels))

        lesson = learning.Lesson(
            train=OneOfEach(train, self._setup.seed) if kind.name == "sequence" else Items(train),
            evaluation=Items(evaluation),
            collator=kind.collator(AutoTokenizer.from_pretrained(self._base.folder)),
            measure=measure,
            best="f1",
        )
        return learning.tune(
            self._fresh_model(), lesson, recipe, self._folder, self._setup.seed, resume=self._setup.resume
        )

    def _fresh_model(self) -> PreTrainedModel:
        """The base model under a new head. Attention drops nothing: that makes up a third of the time on a CPU."""
        names = dict(enumerate(self._outputs))
        config = AutoConfig.from_pretrained(
            self._base.folder,
            num_labels=len(names),
            id2label=names,
            label2id={name: number for number, name in names.items()},
        )
        config.attention_probs_dropout_prob = 0.0
        return self._kind.auto_model.from_pretrained(self._base.folder, config=config, use_safetensors=True)

    # ------------------------------------------------------------------ measuring

    def _answers(self, readings: Sequence[Reading], calibration: Calibration) -> list[Annotation]:
        return [self._kind.answer(reading, self._outputs, calibration).annotation for reading in readings]

    def _tested(self, final: Draft, calibration: Calibration) -> list[Annotation]:
        readings, _ = final.read([example.text for example in self._sets.test])
        return self._answers(readings, calibration)

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


def _plain(figures: Figures) -> dict[str, float]:
    named = {"f1": figures.f1, "macro_f1": figures.macro_f1}
    return named if figures.accuracy is None else {**named, "accuracy": figures.accuracy}
