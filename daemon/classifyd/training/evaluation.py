"""How good a model in the store is on labelled data: figures of its answers, without any training library."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from classifyd.api import Predictor, Reader, Task
from classifyd.errors import TrainingError
from classifyd.training import checks, reading
from classifyd.training.columns import Columns
from classifyd.values import Annotation, Bundle, Example, Record, Setup

AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class ForLabel:
    """Precision, recall and F1 of one label; `support` is how often it is right to give it."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of a model on some examples.

    `accuracy` is None for a task that marks spans. `f1` is the mean over labels (macro) of labels, and of all spans
    together (micro) for spans, which count only where start, end and label are right. `confusion` maps the right label
    to how often each was given.
    """

    model: str
    examples: int
    accuracy: float | None
    f1: float
    labels: Mapping[str, ForLabel]
    confusion: Mapping[str, Mapping[str, int]]

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values, rounded to four digits."""
        return {
            "model": self.model,
            "examples": self.examples,
            "accuracy": None if self.accuracy is None else round(self.accuracy, 4),
            "f1": round(self.f1, 4),
            "labels": {
                label: {
                    "precision": round(one.precision, 4),
                    "recall": round(one.recall, 4),
                    "f1": round(one.f1, 4),
                    "support": one.support,
                }
                for label, one in self.labels.items()
            },
            "confusion": {right: dict(given) for right, given in self.confusion.items()},
        }


@dataclass(frozen=True, slots=True)
class Measured:
    """A model's figures on some examples, and the answers that they come from, one per example."""

    figures: Evaluation
    answers: Sequence[Annotation]


def measure(task: Task, setup: Setup, examples: Sequence[Example]) -> Measured:
    """How good a model is, as it serves, on examples that are at hand; at least one. Raises what its `load` raises."""
    predictor = task.load(setup)
    answers = _answers(predictor, examples)
    return Measured(_measure(str(getattr(predictor, "version", task.name)), examples, answers), answers)


def evaluate(
    task: Task, setup: Setup, data: Sequence[str], columns: Columns, known: Sequence[Reader]
) -> dict[str, Evaluation]:
    """Figures under "all", and by source where the data names more than one.

    TrainingError if the data is unfit or holds labels that the model does not know.
    """
    examples = reading.read(data, columns, known)
    if not examples:
        raise TrainingError("the data holds no labelled text")
    _refuse_strangers(examples, setup.bundle)
    predictor = task.load(setup)
    model = str(getattr(predictor, "version", task.name))
    given = _answers(predictor, examples)
    sources = sorted({example.source for example in examples})
    found = {"all": _measure(model, examples, given)}
    for source in sources if len(sources) > 1 else ():
        places = [place for place, example in enumerate(examples) if example.source == source]
        found[source] = _measure(model, [examples[place] for place in places], [given[place] for place in places])
    return found


def _refuse_strangers(examples: Sequence[Example], bundle: Bundle | None) -> None:
    if bundle is None:  # a task without models answers for its labels itself
        return
    known = {str(label).removeprefix("B-").removeprefix("I-") for label in bundle.manifest["labels"]} - {"O"}
    strange = set(checks.labels_of(examples)) - known
    if strange:
        raise TrainingError(
            f"{bundle.task}@{bundle.version} does not know the labels {', '.join(sorted(strange))}; rename them with "
            f"--map. It knows: {', '.join(sorted(known))}"
        )


def _answers(predictor: Predictor, examples: Sequence[Example]) -> list[Annotation]:
    given: list[Annotation] = []
    for start in range(0, len(examples), AT_ONCE):
        records = [Record(example.text) for example in examples[start : start + AT_ONCE]]
        for answer in predictor.predict(records):
            if not isinstance(answer, Annotation):
                raise TrainingError("evaluate needs a task whose predictor answers with annotations")
            given.append(answer)
    return given


def _measure(model: str, examples: Sequence[Example], given: Sequence[Annotation]) -> Evaluation:
    if examples[0].spans is None:
        return _measure_labels(model, examples, [answer.labels[0].label for answer in given])
    return _measure_spans(model, examples, given)


def _measure_labels(model: str, examples: Sequence[Example], given: Sequence[str]) -> Evaluation:
    right = [str(example.label) for example in examples]
    labels = of_each(enumerate(right), enumerate(given))
    present = [one.f1 for one in labels.values() if one.support]
    confusion: dict[str, Counter[str]] = {}
    for truth, answer in zip(right, given, strict=True):
        confusion.setdefault(truth, Counter())[answer] += 1
    hits = sum(truth == answer for truth, answer in zip(right, given, strict=True))
    return Evaluation(
        model, len(examples), hits / len(examples), sum(present) / len(present), labels, dict(sorted(confusion.items()))
    )


def _measure_spans(model: str, examples: Sequence[Example], given: Sequence[Annotation]) -> Evaluation:
    right = {((text, s.start, s.end), s.label) for text, one in enumerate(examples) for s in one.spans or ()}
    said = {((text, s.start, s.end), s.label) for text, one in enumerate(given) for s in one.spans or ()}
    together = _scores(len(right & said), len(said), len(right))
    return Evaluation(model, len(examples), None, together.f1, of_each(right, said), {})


def of_each(right: Iterable[tuple[Hashable, str]], given: Iterable[tuple[Hashable, str]]) -> dict[str, ForLabel]:
    """Figures of each label, sorted, from (where, label) pairs: those that are right and those that were given."""
    truth, said = set(right), set(given)
    hits, gave, holds = (Counter(label for _, label in pairs) for pairs in (truth & said, said, truth))
    return {label: _scores(hits[label], gave[label], holds[label]) for label in sorted({*gave, *holds})}


def _scores(hits: int, given: int, right: int) -> ForLabel:
    precision, recall = hits / given if given else 0.0, hits / right if right else 0.0
    return ForLabel(precision, recall, 2 * hits / (given + right) if given + right else 0.0, right)
