"""What sets tasks that label whole texts apart from tasks that mark spans, as far as training goes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerBase,
)

from classifyd.api import Annotation, Example
from classifyd_bert import calibration as calibrating
from classifyd_bert import features, figures, heads
from classifyd_bert.features import IGNORED, Windows
from classifyd_bert.figures import Figures
from classifyd_bert.heads import PLAIN, Calibration
from classifyd_bert.predictor import Reading
from classifyd_bert.tokens import PAD_MULTIPLE, Tokenizer


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of one text: its annotation, and what the parity gate compares, a label or a tag per word."""

    annotation: Annotation
    places: tuple[str, ...]

    @property
    def said(self) -> Any:
        """The label, or a frozenset of (start, end, label)."""
        return figures.said(self.annotation)


class Kind(Protocol):
    """One kind of task. `name` is the manifest's, `export` optimum's word for it, `auto_model` transformers'."""

    @property
    def name(self) -> str: ...

    @property
    def export(self) -> str: ...

    @property
    def auto_model(self) -> Any: ...

    def outputs(self, labels: Sequence[str]) -> list[str]:
        """The model's outputs in order, from the labels of the data."""
        ...

    def windows(self, tokenizer: Tokenizer, examples: Sequence[Example], outputs: Sequence[str]) -> Windows:
        """The windows to learn from."""
        ...

    def counts(self, examples: Sequence[Example], outputs: Sequence[str]) -> list[int | None]:
        """How often each output is right; None for one that is not to be weighed against the others."""
        ...

    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Any:
        """What pads a batch."""
        ...

    def answer(self, reading: Reading, outputs: Sequence[str], calibration: Calibration = PLAIN) -> Answer:
        """The answer that a text's logits stand for, as the run time gives it."""
        ...

    def figures(self, right: Sequence[Any], given: Sequence[Any], labels: Sequence[str]) -> Figures:
        """How good the answers are."""
        ...

    def calibration(
        self, readings: Sequence[Reading], examples: Sequence[Example], outputs: Sequence[str]
    ) -> Calibration:
        """The calibration under which the examples' right answers are likeliest."""
        ...


class SequenceKind:
    """One label for each text."""

    name = "sequence"
    export = "text-classification"
    auto_model = AutoModelForSequenceClassification

    def outputs(self, labels: Sequence[str]) -> list[str]:
        return list(labels)

    def windows(self, tokenizer: Tokenizer, examples: Sequence[Example], outputs: Sequence[str]) -> Windows:
        return features.label_windows(tokenizer, examples, outputs)

    def counts(self, examples: Sequence[Example], outputs: Sequence[str]) -> list[int | None]:
        found = Counter(example.label for example in examples)
        return [found[label] for label in outputs]

    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Any:
        return DataCollatorWithPadding(tokenizer, pad_to_multiple_of=PAD_MULTIPLE)

    def answer(self, reading: Reading, outputs: Sequence[str], calibration: Calibration = PLAIN) -> Answer:
        scores = heads.softmax(heads.combine(reading.windows, reading.logits), calibration.temperature)
        labels = heads.ranked(outputs, scores)
        return Answer(Annotation(labels=labels), (labels[0].label,))

    def figures(self, right: Sequence[Any], given: Sequence[Any], labels: Sequence[str]) -> Figures:
        return figures.of_labels(right, given, labels)

    def calibration(
        self, readings: Sequence[Reading], examples: Sequence[Example], outputs: Sequence[str]
    ) -> Calibration:
        logits = np.stack([heads.combine(reading.windows, reading.logits) for reading in readings])
        numbers = {label: number for number, label in enumerate(outputs)}
        labels = np.array([numbers[str(example.label)] for example in examples])
        return Calibration(calibrating.temperature(logits, labels))


class TokenKind:
    """Spans of each text."""

    name = "token"
    export = "token-classification"
    auto_model = AutoModelForTokenClassification

    def outputs(self, labels: Sequence[str]) -> list[str]:
        return [heads.OUTSIDE, *(f"{place}-{label}" for label in labels for place in "BI")]

    def windows(self, tokenizer: Tokenizer, examples: Sequence[Example], outputs: Sequence[str]) -> Windows:
        return features.tag_windows(tokenizer, examples, outputs)

    def counts(self, examples: Sequence[Example], outputs: Sequence[str]) -> list[int | None]:
        found = Counter(span.label for example in examples for span in example.spans or ())
        return [None if tag == heads.OUTSIDE else found[tag.partition("-")[2]] for tag in outputs]

    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Any:
        return DataCollatorForTokenClassification(
            tokenizer, pad_to_multiple_of=PAD_MULTIPLE, label_pad_token_id=IGNORED
        )

    def answer(self, reading: Reading, outputs: Sequence[str], calibration: Calibration = PLAIN) -> Answer:
        words = heads.words(reading.windows, reading.logits)
        spans = heads.Bio.of(outputs).spans(reading.text, words, calibration)
        tags = tuple(outputs[number] for number in words.logits.argmax(axis=1))
        return Answer(Annotation(spans=spans), tags)

    def figures(self, right: Sequence[Any], given: Sequence[Any], labels: Sequence[str]) -> Figures:
        return figures.of_spans(right, given, labels)

    def calibration(
        self, readings: Sequence[Reading], examples: Sequence[Example], outputs: Sequence[str]
    ) -> Calibration:
        answers = [self.answer(reading, outputs).annotation for reading in readings]
        return calibrating.of_spans(*figures.scored(examples, answers))
