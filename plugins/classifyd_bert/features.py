"""Labelled examples to what the Trainer eats: windows of token ids with their labels, cut as they are at run time."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from classifyd.api import Example, Span
from classifyd_bert import capitals
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
    """Windows as a torch dataset: token ids, or what a frozen encoder made of them, with labels.

    `features` is (hidden) for each window, or (tokens, hidden). `shares` is how much each window counts. With `altered`
    some windows come as if they were written in capitals, or in small letters, throughout.
    """

    def __init__(
        self,
        windows: Windows,
        features: Sequence[NDArray[np.float32]] | None = None,
        shares: Sequence[float] | None = None,
        *,
        altered: bool = False,
    ) -> None:
        self._windows = windows
        self._features = features
        self._shares = shares
        self._altered = altered

    @property
    def owners(self) -> list[int]:
        """The place of each window's text."""
        return [window.text for window in self._windows.windows]

    def length(self, index: int) -> int:
        """The tokens of a window."""
        return len(self._windows.windows[index].ids)

    def __len__(self) -> int:
        return len(self._windows.windows)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        item: dict[str, Any] = {"labels": self._windows.labels[index]}
        window = self._windows.windows[index]
        if self._features is None:
            item["input_ids"] = window.ids.tolist()
            if window.kinds is not None:
                # By torch's chance, which checkpoints keep.
                draw = torch.rand(()).item() if self._altered else 1.0
                item["token_type_ids"] = capitals.altered(window.kinds, draw).tolist()
        else:
            item["features"] = self._features[index]
        if self._shares is not None:
            item["shares"] = self._shares[index]
        return item


class OneOfEach(Dataset[Mapping[str, Any]]):
    """One window of each text, another one in each epoch.

    A long text counts no more than a short one, and any part of it may come up, given epochs enough. Its first window
    does half of the time, for that is where most of what matters stands.
    """

    def __init__(self, items: Items, seed: int) -> None:
        self._items = items
        self._choices: dict[int, list[int]] = {}
        for index, owner in enumerate(items.owners):
            self._choices.setdefault(owner, []).append(index)
        self._chosen: list[int] = []
        self._seed = seed
        self.choose(0)

    def choose(self, epoch: int) -> None:
        """Pick the windows of that epoch; the same ones for the same seed and epoch."""
        chance = random.Random(f"{self._seed}/{epoch}")  # noqa: S311  # a draw, not a secret
        self._chosen = [
            indices[0] if chance.random() < 0.5 else chance.choice(indices) for indices in self._choices.values()
        ]

    def length(self, index: int) -> int:
        """The tokens of the window that stands for a text in this epoch."""
        return self._items.length(self._chosen[index])

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        return self._items[self._chosen[index]]


def shares(windows: Windows) -> list[float]:
    """How much each window counts where a text is learnt from all of its windows: mean 1, the same sum for each text.

    Within a text a window weighs as many tokens as it owns, which is how the run time puts windows together: the loss
    is then never below that of the combined answer (Jensen), and to make it small makes that one small.
    """
    owned = [max(1, int(window.own.sum())) for window in windows.windows]
    sums: dict[int, int] = {}
    for window, tokens in zip(windows.windows, owned, strict=True):
        sums[window.text] = sums.get(window.text, 0) + tokens
    scale = len(owned) / max(1, len(sums))
    return [scale * tokens / sums[window.text] for window, tokens in zip(windows.windows, owned, strict=True)]


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
