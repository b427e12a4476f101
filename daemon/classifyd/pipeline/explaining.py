"""How a loaded task comes to its answer to one record, and what decided whether that is for review."""

from collections.abc import Iterator
from dataclasses import dataclass

from classifyd.api import ExplainingPredictor, Explanation, PluginError, PredictionFailed
from classifyd.pipeline.answers import checked
from classifyd.pipeline.border import Border
from classifyd.pipeline.loading import Loaded
from classifyd.values import Annotation, Label, Record, Span


@dataclass(frozen=True, slots=True)
class Decision:
    """A label's or span's score against the threshold that it has to reach, and who asks for that."""

    label: str
    score: float
    threshold: float
    asked_by: str

    @property
    def doubtful(self) -> bool:
        """Whether the record is for review for its sake."""
        return self.score < self.threshold


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation with the answer as outputs have it, and what decided over its review."""

    model: str
    runtime: str
    answer: Annotation
    explanation: Explanation
    decisions: tuple[Decision, ...]


def explain(loaded: Loaded, record: Record, border: Border) -> Explained:
    """Have a task explain its answer. PluginError if it cannot; PredictionFailed if that is not the one it gives."""
    name, predictor = loaded.spec.name, loaded.predictor
    if not isinstance(predictor, ExplainingPredictor):
        raise PluginError(f"task {name!r}: its plugin does not explain its answers; its predictor has no explain()")
    with border.call(f"{name}: explain"):
        explanation: object = predictor.explain(record)
        if not isinstance(explanation, Explanation):
            kind = type(explanation).__name__
            raise PredictionFailed(f"task {name!r} explained with {kind}, not with an Explanation")
        [answer, said] = checked(loaded, [explanation.answer, *predictor.predict([record])], [record, record])
    if answer != said:
        raise PredictionFailed(
            f"task {name!r} explained another answer than the one that it gives; its plugin is wrong"
        )
    runtime = getattr(predictor, "runtime", "")
    return Explained(loaded.model, str(runtime), answer, explanation, tuple(_decisions(loaded, answer)))


def _decisions(loaded: Loaded, answer: Annotation) -> Iterator[Decision]:
    for label in answer.labels[:1]:
        yield Decision(label.label, label.score, loaded.asked(label.label), _asked_by(loaded, label))
    for span in answer.spans or ():
        threshold = loaded.thresholds.get(span.label, 0.0)
        yield Decision(span.label, span.score, threshold, _asked_by(loaded, span) if threshold else "nobody")


def _asked_by(loaded: Loaded, said: Label | Span) -> str:
    """Who says what score is needed."""
    configured, promised = loaded.spec.review_below, loaded.thresholds.get(said.label)
    if promised is not None and (isinstance(said, Span) or promised >= (configured or 0.0)):
        return "a promise of the model"
    if configured is not None:
        return "review_below of the configuration"
    return "the model" if loaded.review_below else "nobody"
