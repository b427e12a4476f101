"""What a training is given and gives back, and what reports on models are made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifyd.values.answers import Annotation, Span
from classifyd.values.empty import EMPTY
from classifyd.values.models import Bundle


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text: a label for the whole, or spans (score 1.0) for a task that marks stretches."""

    text: str
    label: str | None = None
    spans: tuple[Span, ...] | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class TrainingSets:
    """Labelled examples, split so that near-duplicates stay on one side. `labels` is sorted."""

    train: tuple[Example, ...]
    evaluation: tuple[Example, ...]
    test: tuple[Example, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainSetup:
    """How to train: `options` are the recipe's (epochs, learning_rate, …), `folder` takes checkpoints and results.

    `saved` is to be called, by one process, whenever a checkpoint in `folder` has become whole.
    """

    task: str
    folder: Path
    base_model: str
    options: Mapping[str, Any] = EMPTY
    seed: int = 42
    resume: bool = False
    saved: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class TextLengths:
    """How long texts are in a task's tokens, markers included, in the texts' order.

    `window` is the most that the model takes at once; a longer text is learnt from, and answered, in windows.
    """

    tokens: tuple[int, ...]
    window: int


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A finished model: the files that belong in its bundle and what the manifest says about it.

    `files` maps names inside the bundle to where they lie now, `requires` those of files that other bundles have, too.
    `manifest` holds labels, max_length, temperature, thresholds, metrics, base_model and base_sha256, options, examples
    (known answers), libraries. `report` is Markdown.
    """

    files: Mapping[str, Path]
    manifest: Mapping[str, Any]
    report: str
    requires: Mapping[str, Path] = EMPTY


# ------------------------------------------------------------------ measuring


@dataclass(frozen=True, slots=True)
class Trial:
    """A model's answers to labelled texts, one each, in order; `model` is its name, `bundle` where it lies."""

    model: str
    examples: tuple[Example, ...]
    answers: tuple[Annotation, ...]
    bundle: Bundle | None = None


@dataclass(frozen=True, slots=True)
class ReportSetup:
    """How to report: `folder` takes the plots; without `texts` no word of the data may appear."""

    folder: Path
    texts: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """A report as Markdown, and where the PNG files lie that it shows, by the names that it shows them under."""

    markdown: str
    plots: Mapping[str, Path] = EMPTY
