"""The figures that a bundle's manifest carries."""

from typing import Any

from classifyd_bert.figures import Figures, ForLabel
from classifyd_bert.findings import Findings
from classifyd_bert.promises import Kept
from classifyd_bert.story import Story


def of_training(story: Story, found: Findings) -> dict[str, Any]:
    """Figures of the held-out set as a whole, by label and by source; of the parity gate; of the promises."""
    parity = story.parity
    return {
        "set": story.set_name,
        **_plain(found.whole),
        "calibration_error": round(found.calibration_error, 4),
        "labels": {one.label: _of_label(one) for one in found.whole.labels},
        "sources": {
            source: {**_plain(figures), "labels": {one.label: _of_label(one) for one in figures.labels}}
            for source, figures in found.by_source.items()
        },
        "parity": {
            "agreement": round(parity.published.agreement, 5),
            "fp32_agreement": round(parity.exported.agreement, 5),
            "pytorch_macro_f1": round(parity.pytorch.macro_f1, 4),
            "fp32_macro_f1": round(parity.exported.macro_f1, 4),
            "quantized_macro_f1": round(parity.published.macro_f1, 4),
            "quantization": str(parity.attempt),
            "fp32_bytes": parity.exported.size,
            "bytes": parity.published.size,
            "speed_ratio": round(parity.speed_ratio, 2),
        },
        "promises": [
            {"promise": str(one.promise), "evaluation": _kept(one), "test": None if test is None else _kept(test)}
            for one, test in story.promises
        ],
    }


def _plain(figures: Figures) -> dict[str, Any]:
    named = {"examples": figures.examples, "f1": round(figures.f1, 4), "macro_f1": round(figures.macro_f1, 4)}
    return named if figures.accuracy is None else {**named, "accuracy": round(figures.accuracy, 4)}


def _of_label(one: ForLabel) -> dict[str, Any]:
    return {
        "precision": round(one.precision, 4),
        "recall": round(one.recall, 4),
        "f1": round(one.f1, 4),
        "support": one.support,
    }


def _kept(kept: Kept) -> dict[str, Any]:
    shares = {
        name: round(getattr(kept, name), 4) for name in ("share", "low", "high", "recall", "recall_without", "review")
    }
    return {**shares, "hits": kept.hits, "among": kept.among}
