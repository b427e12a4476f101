"""The gate that an exported model must pass: the PyTorch model's labels, or it is not published."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from classifyd.api import TrainingError

AGREEMENT = 0.995
F1_LOSS = 0.003
LADDER = (
    (0, ("minmax", "percentile")),
    (0, ("apart",)),
    (1 / 12, ("minmax", "percentile")),
    (1 / 6, ("minmax", "percentile")),
    (1 / 3, ("minmax", "percentile")),
    (1 / 2, ("minmax",)),
    (3 / 4, ("minmax",)),
)
"""Shares of the products that stay in floating point, and the ways to calibrate the rest."""
BRANCH_RUNGS = 4
"""So many of them are tried on a branch: where they are not enough, what is amiss lies in the trunk."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to store and run the model: how its scales are found, and the products left in floating point.

    `method` is a calibration method; "apart" for the largest channels calculated apart (`outliers`); "weights" for
    weights in eight bits that are calculated with in floating point; or "none" for the model as it was exported. All of
    this is said of a branch alone where `trunk` layers below it are shared with others.
    """

    method: str
    in_float: tuple[str, ...] = ()
    trunk: int = 0

    def __str__(self) -> str:
        if self.method == "none":
            return "fp32"
        if self.method == "weights":
            return "int8 weights, all products in float"
        shared = f", on a trunk of {self.trunk} layers" if self.trunk else ""
        if self.method == "apart":
            return f"int8, outliers apart{shared}"
        in_float = f", {len(self.in_float)} products in float" if self.in_float else ""
        return f"int8, {self.method}{in_float}{shared}"


@dataclass(frozen=True, slots=True)
class Form:
    """One form of the model on the evaluation set: the share of labels that agree with PyTorch's, and its macro F1.

    `size` is the model's bytes, `seconds` what answering the set took. PyTorch's own form has no size.
    """

    agreement: float
    macro_f1: float
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Parity:
    """How the model that is to be published compares with the one it came from, and with that one as exported."""

    attempt: Attempt
    pytorch: Form
    exported: Form
    published: Form

    @property
    def passed(self) -> bool:
        """Whether the design's gate lets it through."""
        lost = self.pytorch.macro_f1 - self.published.macro_f1
        return self.published.agreement >= AGREEMENT and lost <= F1_LOSS

    @property
    def speed_ratio(self) -> float:
        """How many times faster the published form answers than the exported one in float32."""
        return self.exported.seconds / max(self.published.seconds, 1e-9)

    def __str__(self) -> str:
        return (
            f"{self.attempt}: {self.published.agreement:.2%} of labels agree (at least {AGREEMENT:.1%}), macro F1 "
            f"{self.pytorch.macro_f1:.4f} -> {self.published.macro_f1:.4f} (may lose {F1_LOSS:.3f}): "
            f"{'passed' if self.passed else 'refused'}"
        )


def rungs(sensitive: Sequence[str], trunk: int = 0) -> Iterator[tuple[Attempt, ...]]:
    """Ways to quantize, the fastest first, then ever more products in floating point, the most sensitive first.

    The ways of one rung are as fast as one another. The most sensitive products are mostly those after the
    activation of the feed-forward part, whose inputs hold outliers (Bondarenko, Nagel & Blankevoort 2021); each takes
    three times as long in floating point. In the last rung all are, and eight bits only store the weights.
    """
    for share, methods in LADDER[:BRANCH_RUNGS] if trunk else LADDER:
        in_float = tuple(sensitive[: math.ceil(share * len(sensitive))])
        yield tuple(Attempt(method, in_float, trunk) for method in methods)
    if not trunk:
        yield (Attempt("weights", tuple(sensitive)),)


def best_that_passes(
    ladder: Iterator[tuple[Attempt, ...]], attempt: Callable[[Attempt], Parity], tell: Callable[[str], None]
) -> Parity:
    """On the first rung where any attempt passes the gate, the one with the best macro F1; each one's result told.

    As epochs are chosen, too: what differs from the trained model are texts on the border, of which some get better.
    Of equals the one that agrees most. TrainingError if none passes on any rung.
    """
    tried = []
    for rung in ladder:
        here = []
        for candidate in rung:
            here.append(attempt(candidate))
            tell(f"parity: {here[-1]}")
        if passed := [parity for parity in here if parity.passed]:
            return max(passed, key=lambda parity: (parity.published.macro_f1, parity.published.agreement))
        tried += here
    best = max(tried, key=_agreement)
    raise TrainingError(
        f"the exported model does not agree with the trained one; nothing is published. Best: {best}. "
        "Train longer, or on more data, so that fewer texts lie on the border between two labels; or publish it in "
        "floating point with --quantize none (--resume takes up the tuned model without tuning again)."
    )


def _agreement(parity: Parity) -> float:
    return parity.published.agreement


def agreement(left: Sequence[Sequence[str]], right: Sequence[Sequence[str]]) -> float:
    """The share of places where both give the same label: one place per text, or one per token."""
    total = sum(len(one) for one in left)
    same = sum(a == b for one, other in zip(left, right, strict=True) for a, b in zip(one, other, strict=True))
    return same / max(total, 1)
