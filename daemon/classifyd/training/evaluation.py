"""How good a model in the store is on labelled data: figures of its answers, without any training library."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from classifyd.api import Predictor, Reader, Task
from classifyd.errors import TrainingError
from classifyd.training import checks, reading
from classifyd.training.columns import Columns
from classifyd.values import Annotation, Bundle, Example, Record, Setup, Span, Trial

AT_ONCE = 64
BINS = 15


@dataclass(frozen=True, slots=True)
class ForLabel:
    """Precision, recall and F1 of one label; `support` is how often it is right to give it."""

    precision: float
    recall: float
    f1: float
    support: int

    def as_json(self) -> dict[str, float]:
        """The same as plain JSON values, rounded to four digits."""
        rounded = {name: round(getattr(self, name), 4) for name in ("precision", "recall", "f1")}
        return {**rounded, "support": self.support}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of a model on some examples.

    `accuracy` is None for a task that marks spans. `f1` is the mean over labels (macro) of labels, and of all spans
    together (micro) for spans, which count only where start, end and label are right. `calibration_error` is how far,
    on the mean, scores lie from the share that is right of the answers with such scores. `confusion` maps the right
    label to how often each was given.
    """

    model: str
    examples: int
    accuracy: float | None
    f1: float
    calibration_error: float
    labels: Mapping[str, ForLabel]
    confusion: Mapping[str, Mapping[str, int]]

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values, rounded to four digits."""
        return {
            "model": self.model,
            "examples": self.examples,
            "accuracy": None if self.accuracy is None else round(self.accuracy, 4),
            "f1": round(self.f1, 4),
            "calibration_error": round(self.calibration_error, 4),
            "labels": {label: one.as_json() for label, one in self.labels.items()},
            "confusion": {right: dict(given) for right, given in self.confusion.items()},
        }


def evaluate(
    task: Task, setup: Setup, data: Sequence[str], columns: Columns, known: Sequence[Reader]
) -> dict[str, Evaluation]:
    """Figures under "all", and by source where the data names more than one.

    TrainingError if the data is unfit or holds labels that the model does not know.
    """
    return by_source(try_on(task, setup, labelled(data, columns, known)))


def labelled(data: Sequence[str], columns: Columns, known: Sequence[Reader]) -> tuple[Example, ...]:
    """The labelled texts of `data`. TrainingError if it is unfit or holds none."""
    examples = reading.read(data, columns, known)
    if not examples:
        raise TrainingError("the data holds no labelled text")
    return examples


def try_on(task: Task, setup: Setup, examples: Sequence[Example]) -> Trial:
    """What the model that `setup` names says of each text, as it would serve.

    TrainingError if a text has a label that the model does not know; what the task's `load` raises.
    """
    _refuse_strangers(examples, setup.bundle)
    predictor = task.load(setup)
    model = str(getattr(predictor, "version", task.name))
    return Trial(model, tuple(examples), tuple(_answers(predictor, examples)), setup.bundle)


def by_source(trial: Trial) -> dict[str, Evaluation]:
    """Figures under "all", and by source where the data names more than one."""
    sources = sorted({example.source for example in trial.examples})
    found = {"all": measure(trial.model, trial.examples, trial.answers)}
    for source in sources if len(sources) > 1 else ():
        pairs = [pair for pair in zip(trial.examples, trial.answers, strict=True) if pair[0].source == source]
        found[source] = measure(trial.model, [one for one, _ in pairs], [answer for _, answer in pairs])
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
    answers: list[Annotation] = []
    for start in range(0, len(examples), AT_ONCE):
        records = [Record(example.text) for example in examples[start : start + AT_ONCE]]
        for answer in predictor.predict(records):
            if not isinstance(answer, Annotation):
                raise TrainingError("evaluate needs a task whose predictor answers with annotations")
            answers.append(answer)
    return answers


# ---------------------------------------------------------------------- figures of answers


def measure(model: str, examples: Sequence[Example], answers: Sequence[Annotation]) -> Evaluation:
    """Figures of one answer per example, in the same order."""
    if examples[0].spans is None:
        return _measure_labels(model, examples, answers)
    return _measure_spans(model, examples, answers)


def given(answer: Annotation) -> str:
    """The label that an answer gives a whole text; empty if it gives none."""
    return answer.labels[0].label if answer.labels else ""


def strays(example: Example, answer: Annotation) -> tuple[list[Span], list[Span]]:
    """The spans of one text that were given and are wrong, and those that are right and were not given."""
    truth = {_place(span) for span in example.spans or ()}
    said = {_place(span) for span in answer.spans or ()}
    return (
        [span for span in answer.spans or () if _place(span) not in truth],
        [span for span in example.spans or () if _place(span) not in said],
    )


def _place(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.label


def _measure_labels(model: str, examples: Sequence[Example], answers: Sequence[Annotation]) -> Evaluation:
    right = [str(example.label) for example in examples]
    said = [given(answer) for answer in answers]
    labels = of_each(enumerate(right), enumerate(said))
    present = [one.f1 for one in labels.values() if one.support]
    confusion: dict[str, Counter[str]] = {}
    for truth, answer in zip(right, said, strict=True):
        confusion.setdefault(truth, Counter())[answer] += 1
    hits = [truth == answer for truth, answer in zip(right, said, strict=True)]
    scored = [(one.labels[0].score, hit) for one, hit in zip(answers, hits, strict=True) if one.labels]
    return Evaluation(
        model,
        len(examples),
        sum(hits) / len(examples),
        sum(present) / len(present),
        _calibration_error(scored),
        labels,
        dict(sorted(confusion.items())),
    )


def _measure_spans(model: str, examples: Sequence[Example], answers: Sequence[Annotation]) -> Evaluation:
    right = {((text, s.start, s.end), s.label) for text, one in enumerate(examples) for s in one.spans or ()}
    said = {((text, s.start, s.end), s.label) for text, one in enumerate(answers) for s in one.spans or ()}
    together = _scores(len(right & said), len(said), len(right))
    scored = [
        (span.score, ((text, span.start, span.end), span.label) in right)
        for text, one in enumerate(answers)
        for span in one.spans or ()
    ]
    return Evaluation(model, len(examples), None, together.f1, _calibration_error(scored), of_each(right, said), {})


def _calibration_error(scored: Sequence[tuple[float, bool]]) -> float:
    """The mean gap between score and share of right answers, over 15 bins of score (Naeini et al. 2015)."""
    gaps: dict[int, float] = defaultdict(float)
    for score, hit in scored:
        gaps[min(int(score * BINS), BINS - 1)] += score - hit
    return sum(map(abs, gaps.values())) / max(len(scored), 1)


def of_each(right: Iterable[tuple[Hashable, str]], given: Iterable[tuple[Hashable, str]]) -> dict[str, ForLabel]:
    """Figures of each label, sorted, from (where, label) pairs: those that are right and those that were given."""
    truth, said = set(right), set(given)
    hits, gave, holds = (Counter(label for _, label in pairs) for pairs in (truth & said, said, truth))
    return {label: _scores(hits[label], gave[label], holds[label]) for label in sorted({*gave, *holds})}


def _scores(hits: int, given: int, right: int) -> ForLabel:
    precision, recall = hits / given if given else 0.0, hits / right if right else 0.0
    return ForLabel(precision, recall, 2 * hits / (given + right) if given + right else 0.0, right)
