"""A bundle's known answers: what its model said when it was made, and whether it still says so here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from classifyd.api import Annotation, BundleError, Label, Record, Span, cpu_features

TOLERANCE = {"cpu": 0.02, "cuda": 0.1}
"""How far a score may be off, by device. A GPU does not round to eight bits as the recorded answers were (`halves`)."""
SHOWN = 4
"""So much of an answer is told where it is another one."""

_Scores = list[tuple[Any, float]]
"""An answer as things that must be equal, each with its score; labels likeliest first."""


def known_answer(text: str, annotation: Annotation) -> dict[str, Any]:
    """A text and what was said of it, as the manifest's `examples` keep it."""
    if annotation.spans is None:
        return {"text": text, "labels": {label.label: label.score for label in annotation.labels}}
    return {"text": text, "spans": [_span_json(span) for span in annotation.spans]}


def check(
    predict: Callable[[Sequence[Record]], Sequence[Annotation]], examples: Sequence[Mapping[str, Any]], device: str
) -> None:
    """BundleError unless the model still says what it said, on this device and with this runtime.

    It tells the example's place in the manifest, what was expected and what was found, but never its text.
    """
    try:
        expected = [_scores(example) for example in examples]
        records = [Record(str(example["text"])) for example in examples]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"an example of the manifest cannot be read: {error!r}; restore the manifest") from error
    for place, (annotation, said) in enumerate(zip(predict(records), expected, strict=True)):
        found = _scores(known_answer("", annotation))
        if _differ(found, said, TOLERANCE[device]):
            raise BundleError(_told(place, said, found, TOLERANCE[device]))


def _told(place: int, said: _Scores, found: _Scores, most: float) -> str:
    features = ", ".join(cpu_features()) or "features unknown"
    return (
        f"example {place} of the manifest has another answer than the one recorded, by more than {most}: "
        f"expected {_shown(said, found, most)}; found {_shown(found, said, most)}. The model, its runtime or the "
        f"processor ({features}) is not what it was: restore the bundle, install the versions of "
        "constraints/serve.txt, or roll back"
    )


def _shown(answer: _Scores, other: _Scores, most: float) -> str:
    """The part of an answer that the other one does not have so; all of it where only the order differs."""
    scores = dict(other)
    parts = [(what, score) for what, score in answer if _apart(scores, what, score, most)] or answer
    told = [f"{_named(what)} {score:.3f}" for what, score in parts[:SHOWN]]
    return ", ".join([*told, "…"] if len(parts) > SHOWN else told) or "nothing"


def _named(what: Any) -> str:
    if isinstance(what, str):
        return what
    start, end, label = what
    return f"{label} at {start}-{end}"


def _span_json(span: Span) -> dict[str, Any]:
    return {"start": span.start, "end": span.end, "label": span.label, "score": span.score}


def _scores(example: Mapping[str, Any]) -> _Scores:
    if "spans" in example:
        return [((span["start"], span["end"], span["label"]), float(span["score"])) for span in example["spans"]]
    labels = [Label(label, float(score)) for label, score in example["labels"].items()]
    return [(label.label, label.score) for label in sorted(labels, key=lambda label: -label.score)]


def _differ(found: _Scores, said: _Scores, most: float) -> bool:
    # Lower ranks of labels may change places where their scores are as good as equal; the first may not.
    if len(found) != len(said) or (found and found[0][0] != said[0][0]):
        return True
    scores = dict(found)
    return any(_apart(scores, what, score, most) for what, score in said)


def _apart(scores: Mapping[Any, float], what: Any, score: float, most: float) -> bool:
    return abs(scores.get(what, np.inf) - score) > most
