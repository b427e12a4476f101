"""What a model's answers to its held-out set look like taken together: what the daemon holds later ones against."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from classifyd.api import Annotation
from classifyd_bert import promises
from classifyd_bert.predictor import Reading
from classifyd_bert.promises import Thresholds
from classifyd_bert.tokens import Tokenizer


def of(
    set_name: str,
    readings: Sequence[Reading],
    answers: Sequence[Annotation],
    thresholds: Thresholds,
    tokenizer: Tokenizer,
) -> dict[str, Any]:
    """The manifest's `baseline`: one answer for each reading, counted as a worker counts them."""
    marked = any(answer.spans is not None for answer in answers)
    said = [one for answer in answers for one in answer.labels[:1] or answer.spans or ()]
    scores = np.array([one.score for one in said], float)
    ids = [window.ids for reading in readings for window in reading.windows]
    tokens, unknown = sum(map(len, ids)), sum(map(tokenizer.unknown, ids))
    reviews = sum(promises.doubtful(answer, thresholds, marks_spans=marked) for answer in answers)
    return {
        "set": set_name,
        "records": len(answers),
        "labels": dict(sorted(Counter(one.label for one in said).items())),
        "score_mean": round(float(scores.mean()), 5) if said else None,
        "score_deviation": round(float(scores.std()), 5) if said else None,
        "review_share": round(reviews / len(answers), 5),
        "unknown_share": round(unknown / tokens, 6),
    }
