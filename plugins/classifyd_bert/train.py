"""Labelled sets to a finished model: tuned, exported, quantized, held against the original, calibrated, measured."""

import contextlib
import importlib.metadata
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from numpy.typing import NDArray
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, set_seed

from classifyd.api import Example, TrainedModel, TrainingError, TrainingSets, TrainSetup
from classifyd_bert import base, calibration, draft, export, learning, parity, plots, reference, report
from classifyd_bert.draft import Draft
from classifyd_bert.features import Items, OneOfEach
from classifyd_bert.figures import Figures
from classifyd_bert.kinds import Answer, Kind, SequenceKind, TokenKind
from classifyd_bert.parity import Attempt, Parity
from classifyd_bert.predictor import Reading
from classifyd_bert.recipe import Recipe
from classifyd_bert.tokens import Tokenizer, pad

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

CALIBRATION_ROWS = 8


def train_sequence(sets: TrainingSets, setup: TrainSetup) -> TrainedModel:
    """A model that gives each text one of the sets' labels. TrainingError, and nothing to publish, if it is unfit."""
    return _Training(SequenceKind(), sets, setup).run()


def train_token(sets: TrainingSets, setup: TrainSetup) -> TrainedModel:
    """A model that marks spans with the sets' labels. TrainingError, and nothing to publish, if it is unfit."""
    return _Training(TokenKind(), sets, setup).run()


def tell(line: str) -> None:
    """Say something to whoever watches the training."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class _Quantized:
    """A draft that passed the gate, with what it says of the evaluation set."""

    draft: Draft
    parity: Parity
    readings: list[Reading]


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
        self._outputs = kind.outputs(sets.labels)
        self._folder = setup.folder
        self._tokenizer_bytes = draft.plain_tokenizer(self._base.folder / "tokenizer.json")
        self._tokenizer = Tokenizer(self._tokenizer_bytes, self._recipe.max_length, self._recipe.stride)

    def run(self) -> TrainedModel:
        started = time.monotonic()
        transformers.logging.set_verbosity_error()
        model = self._tune()
        tuned = time.monotonic() - started
        quantized = self._quantize(model)
        temperature = self._temperature(quantized.readings)
        final = quantized.draft.with_manifest(temperature=temperature)
        held_out = self._sets.test or self._sets.evaluation
        answers = self._answers(final.read([example.text for example in held_out]), temperature)
        findings = report.Findings(
            recipe=self._recipe,
            base=self._base,
            history=report.history(self._folder),
            parity=quantized.parity,
            temperature=temperature,
            sets=self._sets,
            held_out=held_out,
            right=[self._kind.truth(example) for example in held_out],
            answers=answers,
            measure=self._kind.figures,
            seconds=tuned,
        )
        known = self._known_answers(final, answers, held_out)
        pictures = plots.draw(findings, self._folder / "plots")
        manifest = {
            **final.manifest,
            "thresholds": {"review": self._recipe.review_below},
            "metrics": report.metrics(findings),
            "base_model": self._base.name,
            "base_sha256": self._base.sha256,
            "options": self._recipe.as_options(),
            "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
            "examples": known,
        }
        return TrainedModel({**final.files, **pictures}, manifest, report.markdown(findings, list(pictures)))

    # ------------------------------------------------------------------ learning

    def _tune(self) -> PreTrainedModel:
        recipe, kind = self._recipe, self._kind
        set_seed(self._setup.seed)
        texts = [example.text for example in self._sets.evaluation]
        train = kind.windows(self._tokenizer, self._sets.train, self._outputs)
        evaluation = kind.windows(self._tokenizer, self._sets.evaluation, self._outputs).by_length()
        right = [kind.truth(example) for example in self._sets.evaluation]

        def measure(logits: Sequence[NDArray[Any]]) -> dict[str, float]:
            given = [
                kind.answer(one, self._outputs, 1.0).said for one in reference.of_windows(evaluation, logits, texts)
            ]
            return _plain(kind.figures(right, given, self._sets.labels))

        lesson = learning.Lesson(
            train=OneOfEach(train, self._setup.seed) if kind.name == "sequence" else Items(train),
            evaluation=Items(evaluation),
            collator=kind.collator(AutoTokenizer.from_pretrained(self._base.folder)),
            measure=measure,
            best="f1",
        )
        return learning.tune(
            self._fresh_model(),
            lesson,
            recipe,
            self._folder,
            self._setup.seed,
            resume=self._setup.resume,
            saved=self._setup.saved,
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

    # ------------------------------------------------------------------ export

    def _quantize(self, model: PreTrainedModel) -> _Quantized:
        folder = self._folder / "export"
        shutil.rmtree(folder, ignore_errors=True)
        source = export.to_onnx(model, self._kind.export, folder / "fp32")
        texts = [example.text for example in self._sets.evaluation]
        right = [self._kind.truth(example) for example in self._sets.evaluation]
        expected = self._answers(reference.read(model, self._tokenizer, texts), 1.0)
        wanted = self._figures(right, expected)
        batches = self._calibration_batches()
        passed: dict[Attempt, _Quantized] = {}

        def attempt(one: Attempt) -> Parity:
            made = self._draft(folder, f"{len(passed)}-{one.method}", self._quantized(source, one, batches, folder))
            readings = made.read(texts)
            found = self._answers(readings, 1.0)
            agreed = parity.agreement([one.places for one in expected], [one.places for one in found])
            result = parity.compare(one, agreed, wanted, self._figures(right, found))
            passed[one] = _Quantized(made, result, readings)
            return result

        return passed[parity.first_that_passes(export.products(source), attempt, tell).attempt]

    def _quantized(self, source: Path, attempt: Attempt, batches: Sequence[Any], folder: Path) -> Path:
        target = folder / "int8" / "model.onnx"
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(sys.stderr):  # the quantizer prints, and stdout is for results
            export.quantize(source, target, batches, attempt.method, attempt.in_float)
        return target

    def _draft(self, folder: Path, name: str, model: Path) -> Draft:
        manifest = {
            "task": self._setup.task,
            "kind": self._kind.name,
            "labels": self._outputs,
            "max_length": self._recipe.max_length,
            "stride": self._recipe.stride,
            "temperature": 1.0,
        }
        return draft.make(folder / "drafts" / name, model, self._tokenizer_bytes, manifest)

    def _calibration_batches(self) -> list[dict[str, NDArray[np.int64]]]:
        """Windows of training texts, drawn evenly over the set; all of one shape, as the quantizer's histograms ask."""
        count = min(self._recipe.calibration_texts, len(self._sets.train))
        chosen = np.linspace(0, len(self._sets.train) - 1, count).astype(int)
        windows = self._tokenizer.windows([self._sets.train[number].text for number in chosen])
        windows = [replace(window, padded=self._recipe.max_length) for window in windows[:: -(-len(windows) // count)]]
        rows = min(CALIBRATION_ROWS, len(windows))
        batches = []
        for start in range(0, len(windows) - rows + 1, rows):
            ids, mask = pad(windows[start : start + rows], self._tokenizer.pad_id)
            batches.append({"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})
        return batches

    # ------------------------------------------------------------------ measuring

    def _answers(self, readings: Sequence[Reading], temperature: float) -> list[Answer]:
        return [self._kind.answer(reading, self._outputs, temperature) for reading in readings]

    def _figures(self, right: Sequence[Any], answers: Sequence[Answer]) -> Figures:
        return self._kind.figures(right, [answer.said for answer in answers], self._sets.labels)

    def _temperature(self, readings: Sequence[Reading]) -> float:
        pairs = [
            self._kind.rows(reading, example, self._outputs)
            for reading, example in zip(readings, self._sets.evaluation, strict=True)
        ]
        return calibration.temperature(
            np.concatenate([logits for logits, _ in pairs]),
            np.array([label for _, labels in pairs for label in labels]),
        )

    def _known_answers(
        self, final: Draft, answers: Sequence[Answer], held_out: Sequence[Example]
    ) -> list[dict[str, Any]]:
        """What the bundle must answer wherever it is loaded: to the recipe's texts, else to some sure held-out ones."""
        texts = self._recipe.examples
        if texts is None:
            short = [
                (min(answer.scores.values()), example.text)
                for example, answer in zip(held_out, answers, strict=True)
                if answer.scores and len(example.text) <= 200
            ]
            sure = [text for score, text in short if score > 0.9]
            surest = [text for _, text in sorted(short, reverse=True)]
            texts = tuple(sure[:: len(sure) // 6][:6] if len(sure) >= 6 else surest[:6])
        return final.known_answers(texts)


def _plain(figures: Figures) -> dict[str, float]:
    named = {"f1": figures.f1, "macro_f1": figures.macro_f1}
    return named if figures.accuracy is None else {**named, "accuracy": figures.accuracy}
