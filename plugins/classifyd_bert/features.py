"""Labelled examples to what the Trainer eats: windows of token ids with their labels, cut as they are at run time."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch.utils.data import Dataset

from classifyd.api import Example, Span
from classifyd_bert.heads import OUTSIDE
from classifyd_bert.tokens import Tokenizer, Window

IGNORED = -100
"""The label of a token that the loss passes over: one that the run time does not ask either."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of some texts, and what the model should say of each: a number, or one for each token."""

    windows: tuple[Window, ...]
    labels: tuple[Any, ...]

    def by_length(self) -> "Windows":
        """The same windows, short ones first, so that batches in this order hold little padding."""
        order = sorted(range(len(self.windows)), key=lambda index: len(self.windows[index].ids))
        return Windows(tuple(self.windows[index] for index in order), tuple(self.labels[index] for index in order))


def label_windows(tokenizer: Tokenizer, examples: Sequence[Example], labels: Sequence[str]) -> Windows:
    """Windows that all carry the label of their text."""
    numbers = {label: number for number, label in enumerate(labels)}
    windows = tuple(tokenizer.windows([example.text for example in examples]))
    return Windows(windows, tuple(numbers[examples[window.text].label or ""] for window in windows))


def tag_windows(tokenizer: Tokenizer, examples: Sequence[Example], outputs: Sequence[str]) -> Windows:
    """Windows with one BIO tag for each word, at its first token."""
    numbers = {tag: number for number, tag in enumerate(outputs)}
    windows = tuple(tokenizer.windows([example.text for example in examples]))
    tagged = (tags(window, examples[window.text].spans or (), numbers) for window in windows)
    return Windows(windows, tuple(tagged))


class Items(Dataset[Mapping[str, Any]]):
    """Windows as a torch dataset."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows

    def __len__(self) -> int:
        return len(self._windows.windows)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        window = self._windows.windows[index]
        return {"input_ids": window.ids.tolist(), "labels": self._windows.labels[index]}


class OneOfEach(Dataset[Mapping[str, Any]]):
    """One window of each text, another one in each epoch.

    A long text counts no more than a short one and is yet learnt from whole. Its first window comes up half of the
    time, for that is where most of what matters stands.
    """

    def __init__(self, windows: Windows, seed: int) -> None:
        self._items = Items(windows)
        self._choices: dict[int, list[int]] = {}
        for index, owner in enumerate(window.text for window in windows.windows):
            self._choices.setdefault(owner, []).append(index)
        self._chosen: list[int] = []
        self._seed = seed
        self.choose(0)

    def choose(self, epoch: int) -> None:
        """Pick the windows of that epoch; the same ones for the same seed and epoch."""
        chance = random.Random(f"{self._seed}/{epoch}")  # noqa: S311 (a draw, not a secret)
        self._chosen = [
            indices[0] if chance.random() < 0.5 else chance.choice(indices) for indices in self._choices.values()
        ]

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        return self._items[self._chosen[index]]


def tags(window: Window, spans: Sequence[Span], numbers: Mapping[str, int]) -> list[int]:
    """A tag for the first piece of each word that the window owns: the run time asks no other token."""
    found = []
    before = -1
    for (start, end), word, own in zip(
        window.offsets.tolist(), window.words.tolist(), window.own.tolist(), strict=True
    ):
        if not own or word == before:
            found.append(IGNORED)
            continue
        before = word
        span = next((span for span in spans if start < span.end and end > span.start), None)
        if span is None:
            found.append(numbers[OUTSIDE])
        else:
            found.append(numbers[f"{'B' if start <= span.start else 'I'}-{span.label}"])
    return found
