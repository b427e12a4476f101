"""The gate that a quantized model must pass: the PyTorch model's labels, or it is not published."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from classifyd.api import TrainingError
from classifyd_bert.figures import Figures

AGREEMENT = 0.995
F1_LOSS = 0.003


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to quantize: the calibration method, and the products left in floating point."""

    method: str
    in_float: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"int8, {self.method}, {len(self.in_float)} products in float" if self.in_float else f"int8, {self.method}"
        )


@dataclass(frozen=True, slots=True)
class Parity:
    """How a quantized model compares with the one it came from: the share of equal labels, and the macro F1 of both."""

    attempt: Attempt
    agreement: float
    reference_f1: float
    quantized_f1: float

    @property
    def passed(self) -> bool:
        """Whether the design's gate lets it through."""
        return self.agreement >= AGREEMENT and self.reference_f1 - self.quantized_f1 <= F1_LOSS

    def __str__(self) -> str:
        return (
            f"{self.attempt}: {self.agreement:.2%} of labels agree (at least {AGREEMENT:.1%}), macro F1 "
            f"{self.reference_f1:.4f} -> {self.quantized_f1:.4f} (may lose {F1_LOSS:.3f}): "
            f"{'passed' if self.passed else 'refused'}"
        )


def attempts(products: Sequence[str]) -> Iterator[Attempt]:
    """Ways to quantize, the fastest first, then ever more products in floating point.

    The products after the activation of the feed-forward part are in floating point from the start: their inputs hold
    the outliers that eight bits serve worst (Bondarenko, Nagel & Blankevoort 2021), and with them in eight bits no
    encoder of six layers came within the gate. The products nearest to the output follow.
    """
    down = [name for name in products if name.endswith("/output/dense/MatMul") and "/attention/" not in name]
    for share in (0.0, 0.25, 0.5):
        last = products[len(products) - int(len(products) * share) :]
        yield Attempt("minmax", tuple(dict.fromkeys((*down, *last))))
        yield Attempt("percentile", tuple(dict.fromkeys((*down, *last))))


def first_that_passes(
    products: Sequence[str], attempt: Callable[[Attempt], Parity], tell: Callable[[str], None]
) -> Parity:
    """The first attempt that passes the gate, each one's result told. TrainingError if none does."""
    tried = []
    for candidate in attempts(products):
        tried.append(attempt(candidate))
        tell(f"parity: {tried[-1]}")
        if tried[-1].passed:
            return tried[-1]
    best = max(tried, key=lambda parity: parity.agreement)
    raise TrainingError(
        f"the quantized model does not agree with the trained one; nothing is published. Best: {best}. "
        "Train longer, or on more data, so that fewer texts lie on the border between two labels."
    )


def agreement(left: Sequence[Sequence[str]], right: Sequence[Sequence[str]]) -> float:
    """The share of places where both give the same label: one place per text, or one per token."""
    total = sum(len(one) for one in left)
    same = sum(a == b for one, other in zip(left, right, strict=True) for a, b in zip(one, other, strict=True))
    return same / max(total, 1)


def compare(attempt: Attempt, agreed: float, reference: Figures, quantized: Figures) -> Parity:
    """The comparison as a value."""
    return Parity(attempt, agreed, reference.macro_f1, quantized.macro_f1)
