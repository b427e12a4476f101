"""The task `urgency`: a logistic regression over a message's words, which scikit-learn trains.

What serves needs neither scikit-learn nor numpy: the weights lie in the bundle as JSON. (Pickles would be shorter to
write, and would let whoever can write into the models' folder run code in the daemon.)
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from classifyd.api import (
    Annotation,
    BundleError,
    Example,
    Label,
    Record,
    Setup,
    Task,
    TrainedModel,
    TrainingError,
    TrainingSets,
    TrainSetup,
    hookimpl,
)

WEIGHTS = "weights.json"


def words(text: str) -> set[str]:
    """A text's words in small letters, each once; the same in training and in service."""
    return set(re.findall(r"[^\W\d_]{2,}|!|\?", text.lower()))


class Urgency:
    """The task: it loads its bundle, and trains one."""

    name = "urgency"

    def load(self, setup: Setup) -> "Weigher":
        """The weights of the bundle in service. BundleError if none was trained yet."""
        if setup.bundle is None:
            raise BundleError("urgency: no model in service; train one with: classifyd train urgency --data FILE")
        return Weigher(json.loads(setup.bundle.read(WEIGHTS)), f"urgency@{setup.bundle.version}")

    def recipe_faults(self, options: Mapping[str, Any]) -> Sequence[str]:
        """There is one option: `strength`, the inverse of the regularization."""
        faults = [f"{name} is no option of urgency; there is strength" for name in options if name != "strength"]
        strength = options.get("strength", 1.0)
        if not isinstance(strength, int | float) or strength <= 0:
            faults.append(f"strength must be a number above 0, not {strength!r}")
        return faults

    def train(self, sets: TrainingSets, setup: TrainSetup) -> TrainedModel:
        """Weights for each word that two texts have. TrainingError without scikit-learn."""
        try:
            from sklearn.feature_extraction.text import CountVectorizer
            from sklearn.linear_model import LogisticRegression
        except ImportError as error:
            raise TrainingError(
                "urgency needs scikit-learn to train: pip install 'classifyd-urgency[train]'"
            ) from error
        counter = CountVectorizer(analyzer=words, binary=True, min_df=2, max_features=20_000)
        features = counter.fit_transform([example.text for example in sets.train])
        model = LogisticRegression(C=setup.options.get("strength", 1.0), max_iter=1000)
        model.fit(features, [example.label for example in sets.train])
        rows, starts = model.coef_.tolist(), model.intercept_.tolist()
        if len(sets.labels) == 2:  # scikit-learn then keeps one row, for the second label
            rows, starts = [[-x / 2 for x in rows[0]], [x / 2 for x in rows[0]]], [-starts[0] / 2, starts[0] / 2]
        by_word = {word: [row[place] for row in rows] for word, place in sorted(counter.vocabulary_.items())}
        weights = {"labels": list(sets.labels), "starts": starts, "words": by_word}
        path = Path(setup.folder, WEIGHTS)
        path.write_text(json.dumps(weights), encoding="utf-8")
        right = accuracy(Weigher(weights, "urgency"), sets.test or sets.evaluation)
        manifest = {"labels": list(sets.labels), "metrics": {"accuracy": right}, "thresholds": {"review": 0.7}}
        return TrainedModel({WEIGHTS: path}, manifest, f"Accuracy {right:.4f}, {len(by_word):,} words.\n")


class Weigher:
    """The predictor: adds up the weights of a text's words."""

    def __init__(self, weights: Mapping[str, Any], version: str) -> None:
        self.version = version
        self._labels, self._starts, self._words = weights["labels"], weights["starts"], weights["words"]

    def predict(self, records: Sequence[Record]) -> Sequence[Annotation]:
        """Every label with its probability, likeliest first."""
        return [self._answer(record.text) for record in records]

    def _answer(self, text: str) -> Annotation:
        known = [self._words[word] for word in sorted(words(text)) if word in self._words]
        sums = [math.fsum(column) for column in zip(self._starts, *known, strict=True)]
        powers = [math.exp(total - max(sums)) for total in sums]
        labels = [Label(name, power / sum(powers)) for name, power in zip(self._labels, powers, strict=True)]
        return Annotation(tuple(sorted(labels, key=lambda label: -label.score)))


def accuracy(weigher: Weigher, examples: Sequence[Example]) -> float:
    """The share of texts whose likeliest label is the right one."""
    answers = weigher.predict([Record(example.text) for example in examples])
    pairs = zip(answers, examples, strict=True)
    return sum(answer.labels[0].label == example.label for answer, example in pairs) / max(1, len(examples))


@hookimpl
def register_tasks() -> Sequence[Task]:
    """The task `urgency`."""
    return [Urgency()]
