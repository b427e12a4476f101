"""How a model is tuned: every setting with its default, checked, and ready to be written into the manifest."""

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any

from classifyd.api import TrainingError

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
QUANTIZATIONS = ("int8", "none")
WEIGHTINGS = ("auto", "none", "balanced")
WINDOWS = ("one", "all")

FROZEN: Mapping[str, Any] = MappingProxyType({"epochs": 20, "learning_rate": 1e-3})
"""The defaults that differ with `freeze = "all"`: new layers on features that stand still learn in larger steps, and
an epoch over remembered features costs next to nothing."""

AFTERWARDS = frozenset(
    {"average", "calibration_texts", "review_below", "quantize", "promises", "promise_confidence", "texts", "examples"}
)
"""Settings of what follows the learning: they may change between a training and its resumption."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of one training.

    `max_length` and `stride` are in tokens, markers included. `batch_size` counts texts (windows, where all are learnt
    from) for each pass through the model, on all devices together; a step takes `gradient_accumulation` of them;
    `eval_batch_size` None is twice as many. `freeze` is "none", "all" or the number of lowest layers that stay as they
    are, the embeddings with them ("0": the embeddings alone). `capitals` tells the model how words are written, which
    a tokenizer that reads everything in small letters does not. `warmup` is the share of steps in which the learning
    rate rises. `early_stopping` is how many epochs may pass without a better one, 0 for all of them. `average` is how
    many of the last epochs' weights are averaged, 0 for none; the mean is taken if the evaluation set likes it better
    than the best epoch. `quantize` is "int8" or "none". `promises` are like "spam precision 0.99", to be kept with
    `promise_confidence` (0: by the evaluation set itself). `texts` says whether the report may show texts of the data.
    `examples` are texts whose answers the bundle will know by heart; None picks some from the test set.
    """

    epochs: int = 3
    learning_rate: float = 5e-5
    batch_size: int = 32
    eval_batch_size: int | None = None
    gradient_accumulation: int = 1
    gradient_checkpointing: bool = False
    max_length: int = 128
    stride: int = 32
    windows: str = "one"
    capitals: bool = False
    freeze: str = "none"
    precision: str = "auto"
    weight_decay: float = 0.01
    warmup: float = 0.06
    label_smoothing: float = 0.0
    class_weights: str = "auto"
    early_stopping: int = 0
    average: int = 0
    calibration_texts: int = 256
    review_below: float = 0.8
    quantize: str = "int8"
    promises: tuple[str, ...] = ()
    promise_confidence: float = 0.0
    texts: bool = True
    examples: tuple[str, ...] | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any], **defaults: Any) -> "Recipe":
        """The task's `defaults` with `options` over them; None means the default. TrainingError names every fault."""
        faults = list(recipe_faults(options, **defaults))
        if faults:
            raise TrainingError("; ".join(faults))
        return cls(**_settled(options, defaults))

    def as_options(self) -> dict[str, Any]:
        """The settings as plain JSON values, without the texts of the known answers."""
        return {name: value for name, value in asdict(self).items() if name != "examples"}

    def learning(self) -> dict[str, Any]:
        """The settings that decide what is learnt: with others a training cannot be resumed."""
        return {name: value for name, value in self.as_options().items() if name not in AFTERWARDS}


DEFAULTS: Mapping[str, Any] = MappingProxyType({field.name: field.default for field in fields(Recipe)})


def recipe_faults(options: Mapping[str, Any], **defaults: Any) -> list[str]:
    """What is wrong with the options, a sentence each that begins with the option's name; empty if nothing is."""
    known = sorted(field.name for field in fields(Recipe))
    faults = [f"there is no training option {name}.{_nearest(name, known)}" for name in options if name not in known]
    settled = _settled({name: value for name, value in options.items() if name in known}, defaults)
    wrong = {name: rule for name, rule in RULES.items() if name in settled and not rule.holds(settled[name])}
    faults += [f"{name} must be {rule.words}, not {settled[name]!r}" for name, rule in wrong.items()]
    return faults if {"max_length", "stride"} & wrong.keys() else [*faults, *_crossed(settled)]


def _settled(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The given options over the defaults, in the types of a Recipe where they can be."""
    given = {name: value for name, value in options.items() if value is not None}
    if "freeze" in given and _is_whole(given["freeze"]):
        given["freeze"] = str(given["freeze"])
    for name in ("examples", "promises"):
        if isinstance(given.get(name), list):
            given[name] = tuple(given[name])
    frozen = FROZEN if {**defaults, **given}.get("freeze") == "all" else {}
    settled = {**defaults, **frozen, **given}
    length = settled.get("max_length", DEFAULTS["max_length"])
    if "stride" not in settled and _is_whole(length):
        settled["stride"] = min(DEFAULTS["stride"], length // 2)  # short windows leave no room for the default
    return settled


def _crossed(settled: Mapping[str, Any]) -> list[str]:
    """What is wrong with settings taken together; each by itself is right."""
    longest = settled.get("max_length", DEFAULTS["max_length"]) // 2
    if settled["stride"] > longest:
        return [f"stride must be at most half of max_length, which is {longest}, not {settled['stride']}"]
    return []


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name.replace("-", "_"), known, n=1)
    return f" Did you mean {close[0]}?" if close else f" Known: {', '.join(known)}"


# ---------------------------------------------------------------------- what each setting may be


@dataclass(frozen=True, slots=True)
class Rule:
    """What a setting may be, and the same in words."""

    words: str
    holds: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(text, str) for text in value)


def _whole(least: int) -> Rule:
    return Rule(f"a whole number, {least} or more", lambda value: _is_whole(value) and value >= least)


def _share(words: str) -> Rule:
    return Rule(words, lambda value: _is_number(value) and 0 <= value < 1)


def _one_of(names: tuple[str, ...]) -> Rule:
    return Rule(f"one of {', '.join(names)}", lambda value: value in names)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "epochs": _whole(1),
        "learning_rate": Rule("a number above 0 and below 1", lambda value: _is_number(value) and 0 < value < 1),
        "batch_size": _whole(1),
        "eval_batch_size": Rule(
            "a whole number, 1 or more", lambda value: value is None or (_is_whole(value) and value >= 1)
        ),
        "gradient_accumulation": _whole(1),
        "gradient_checkpointing": Rule("true or false", lambda value: isinstance(value, bool)),
        "max_length": _whole(8),
        "stride": _whole(0),
        "windows": _one_of(WINDOWS),
        "capitals": Rule("true or false", lambda value: isinstance(value, bool)),
        "freeze": Rule(
            "none, all or a number of layers",
            lambda value: isinstance(value, str) and (value in ("none", "all") or value.isdecimal()),
        ),
        "precision": _one_of(PRECISIONS),
        "weight_decay": Rule("a number, 0 or more", lambda value: _is_number(value) and value >= 0),
        "warmup": _share("a share of the steps, 0 or more and below 1"),
        "label_smoothing": _share("a number, 0 or more and below 1"),
        "class_weights": _one_of(WEIGHTINGS),
        "early_stopping": _whole(0),
        "average": Rule("0, 2 or 3", lambda value: _is_whole(value) and value in (0, 2, 3)),
        "calibration_texts": _whole(1),
        "review_below": Rule("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1),
        "quantize": _one_of(QUANTIZATIONS),
        "promises": Rule('a list of promises like "spam precision 0.99"', _is_texts),
        "promise_confidence": _share("a number, 0 or more and below 1"),
        "texts": Rule("true or false", lambda value: isinstance(value, bool)),
        "examples": Rule("a list of texts", lambda value: value is None or _is_texts(value)),
    }
)
