"""What sets tasks that label whole texts apart from tasks that mark spans, as far as training goes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerBase,
)

from classifyd.api import Example, Span
from classifyd_bert import features, figures, heads
from classifyd_bert.features import IGNORED, Windows
from classifyd_bert.figures import Figures
from classifyd_bert.predictor import Reading
from classifyd_bert.tokens import PAD_MULTIPLE, Tokenizer


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of one text.

    `said` is a label, or a frozenset of (start, end, label); `scores` has the probability of the label, or of each
    span; `places` is what the parity gate compares: the label, or a tag for each word.
    """

    said: Any
    scores: dict[Any, float]
    places: tuple[str, ...]


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

    def answer(self, reading: Reading, outputs: Sequence[str], temperature: float) -> Answer:
        """The answer that a text's logits stand for."""
        ...

    def truth(self, example: Example) -> Any:
        """The right answer, in the form of `Answer.said`."""
        ...

    def figures(self, right: Sequence[Any], given: Sequence[Any], labels: Sequence[str]) -> Figures:
        """How good the answers are."""
        ...

    def rows(self, reading: Reading, example: Example, outputs: Sequence[str]) -> tuple[NDArray[Any], list[int]]:
        """Logits (rows, outputs) and the right output of each row: one row per text, or per word."""
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

    def answer(self, reading: Reading, outputs: Sequence[str], temperature: float) -> Answer:
        scores = heads.softmax(heads.combine(reading.windows, reading.logits), temperature)
        label = heads.ranked(outputs, scores)[0]
        return Answer(label.label, {label.label: label.score}, (label.label,))

    def truth(self, example: Example) -> Any:
        return example.label

    def figures(self, right: Sequence[Any], given: Sequence[Any], labels: Sequence[str]) -> Figures:
        return figures.of_labels(right, given, labels)

    def rows(self, reading: Reading, example: Example, outputs: Sequence[str]) -> tuple[NDArray[Any], list[int]]:
        return heads.combine(reading.windows, reading.logits)[None, :], [outputs.index(example.label or "")]


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

    def answer(self, reading: Reading, outputs: Sequence[str], temperature: float) -> Answer:
        words = heads.words(reading.windows, reading.logits)
        spans = heads.Bio.of(outputs).spans(reading.text, words, temperature)
        tags = tuple(outputs[number] for number in words.logits.argmax(axis=1))
        return Answer(_said(spans), {(span.start, span.end, span.label): span.score for span in spans}, tags)

    def truth(self, example: Example) -> Any:
        return _said(example.spans or ())

    def figures(self, right: Sequence[Any], given: Sequence[Any], labels: Sequence[str]) -> Figures:
        return figures.of_spans(right, given, labels)

    def rows(self, reading: Reading, example: Example, outputs: Sequence[str]) -> tuple[NDArray[Any], list[int]]:
        numbers = {tag: number for number, tag in enumerate(outputs)}
        tags = [tag for window in reading.windows for tag in features.tags(window, example.spans or (), numbers)]
        pairs = zip(reading.windows, reading.logits, strict=True)
        logits = np.concatenate([row[: len(window.ids)] for window, row in pairs])
        asked = [place for place, tag in enumerate(tags) if tag != IGNORED]
        return logits[asked], [tags[place] for place in asked]


def _said(spans: Sequence[Span]) -> frozenset[tuple[int, int, str]]:
    return frozenset((span.start, span.end, span.label) for span in spans)
