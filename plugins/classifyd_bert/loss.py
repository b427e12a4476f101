"""What is made smaller in training: cross-entropy, weighted by how rare a label is, smoothed if so asked."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from classifyd_bert.features import IGNORED

SKEWED = 5.0
"""Classes are skewed when the commonest is this many times as common as the rarest."""

WIDEST = 10.0
"""How many times as much the rarest label may weigh as the commonest when nobody asked for balance."""


class Loss(nn.Module):
    """The mean cross-entropy of everything that is asked for.

    Each item (a text's window, or a word) counts by the weight of its right label and by its share of its text. Both
    have mean 1 over the training set, so that the sum is divided by the plain number of items: a batch that happens to
    hold many rare labels pulls harder, and accumulated batches give what one large batch would have given.

    The weight is the item's, not the output's: with weights on outputs, as torch has them, smoothing would push
    probability towards rare labels instead of spreading it evenly.
    """

    weights: Tensor | None

    def __init__(self, weights: Sequence[float] | None, smoothing: float) -> None:
        super().__init__()
        self.register_buffer("weights", None if weights is None else torch.tensor(weights, dtype=torch.float32))
        self._smoothing = smoothing

    def forward(
        self, logits: Tensor, labels: Tensor, shares: Tensor | None = None, items: Tensor | int | None = None
    ) -> Tensor:
        """The loss of (rows, outputs) or (rows, tokens, outputs); `items` is what to divide by, None to count them.

        Calculated in float32, whatever the logits are in.
        """
        right = labels.reshape(-1)
        losses = functional.cross_entropy(
            logits.float().reshape(-1, logits.shape[-1]),
            right,
            reduction="none",
            ignore_index=IGNORED,
            label_smoothing=self._smoothing,
        )
        asked = right != IGNORED
        if self.weights is not None:
            losses = losses * self.weights.to(losses.device)[right.clamp(min=0)]
        if shares is not None:
            losses = losses * shares.reshape(-1)
        return losses[asked].sum() / (asked.sum().clamp(min=1) if items is None else items)


def class_weights(choice: str, counts: Sequence[int | None]) -> tuple[float, ...] | None:
    """A weight for each output, from how often it is right in the training set; None where all weigh the same.

    An output with count None is weighed by 1 and against nothing: the tag outside of every span is the commonest by
    nature, and to make it cheap would mark half of the text. Of the others the weights have mean 1 over the set.
    "balanced" gives each label the same sum of weights (n / (labels x count), as scikit-learn does). "auto" does
    nothing unless the classes are SKEWED, and then takes the square root (Mahajan et al. 2018), WIDEST at most: whole
    balance costs precision, and scores that a temperature cannot mend, for it can sharpen but not shift.
    """
    known = [count for count in counts if count]
    if choice == "none" or len(set(known)) < 2 or (choice == "auto" and max(known) < SKEWED * min(known)):
        return None
    raw = [_weight(choice, count, max(known)) for count in counts]
    pairs = [(weight, count) for weight, count in zip(raw, counts, strict=True) if count]
    mean = sum(weight * count for weight, count in pairs) / sum(count for _, count in pairs)
    return tuple(weight / mean if count else 1.0 for weight, count in zip(raw, counts, strict=True))


def _weight(choice: str, count: int | None, most: int) -> float:
    """The weight against the commonest label's, which is 1."""
    rarity = most / count if count else 1.0
    return rarity if choice == "balanced" else min(math.sqrt(rarity), WIDEST)
