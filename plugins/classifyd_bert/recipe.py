"""How a model is tuned: every setting with its default, checked, and ready to be written into the manifest."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from classifyd.api import TrainingError

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
QUANTIZATIONS = ("int8", "none")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of one training.

    `max_length` and `stride` are in tokens, markers included. `freeze` is "none", "all" or the number of lowest layers
    that stay as they are, the embeddings with them ("0": the embeddings alone). `warmup` is the share of steps during
    which the learning rate rises. `quantize` is "int8" or "none". `promises` are like "spam precision 0.99", to be kept
    with `promise_confidence` (0: by the evaluation set itself). `texts` says whether the report may show texts of the
    data. `examples` are texts whose answers the bundle will know by heart; None picks some
    from the test set.
    """

    epochs: int = 3
    learning_rate: float = 5e-5
    batch_size: int = 32
    max_length: int = 128
    stride: int = 32
    freeze: str = "none"
    precision: str = "auto"
    weight_decay: float = 0.01
    warmup: float = 0.06
    label_smoothing: float = 0.0
    calibration_texts: int = 256
    review_below: float = 0.8
    quantize: str = "int8"
    promises: tuple[str, ...] = ()
    promise_confidence: float = 0.0
    texts: bool = True
    examples: tuple[str, ...] | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any], **defaults: Any) -> "Recipe":
        """The task's defaults with `options` over them; None means the default. TrainingError names every fault."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(options) - known)
        if unknown:
            raise TrainingError(f"unknown training options: {', '.join(unknown)}. Known: {', '.join(sorted(known))}")
        given = {name: value for name, value in options.items() if value is not None}
        recipe = cls(**{**defaults, **given})
        faults = list(recipe.faults())
        if faults:
            raise TrainingError("; ".join(faults))
        return recipe

    def faults(self) -> list[str]:
        """What is wrong with the settings, in words; empty if nothing is."""
        checks = {
            f"epochs must be 1 or more, not {self.epochs}": self.epochs >= 1,
            f"learning rate must be above 0 and below 1, not {self.learning_rate}": 0 < self.learning_rate < 1,
            f"batch size must be 1 or more, not {self.batch_size}": self.batch_size >= 1,
            f"max length must be 8 or more, not {self.max_length}": self.max_length >= 8,
            f"stride must lie between 0 and half of max length, not {self.stride}": 0
            <= self.stride
            <= self.max_length // 2,
            f"freeze must be none, all or a number, not {self.freeze}": self.freeze in ("none", "all")
            or self.freeze.isdigit(),
            f"precision must be one of {', '.join(PRECISIONS)}, not {self.precision}": self.precision in PRECISIONS,
            f"quantize must be one of {', '.join(QUANTIZATIONS)}, not {self.quantize}": self.quantize in QUANTIZATIONS,
            f"promise confidence must be 0 or more and below 1, not {self.promise_confidence}": 0
            <= self.promise_confidence
            < 1,
            f"label smoothing must be 0 or more and below 1, not {self.label_smoothing}": 0 <= self.label_smoothing < 1,
            f"warm-up must be 0 or more and below 1, not {self.warmup}": 0 <= self.warmup < 1,
            f"weight decay must be 0 or more, not {self.weight_decay}": math.isfinite(self.weight_decay)
            and self.weight_decay >= 0,
        }
        return [fault for fault, holds in checks.items() if not holds]

    def as_options(self) -> dict[str, Any]:
        """The settings as plain JSON values, without the texts of the known answers."""
        return {name: value for name, value in asdict(self).items() if name != "examples"}
