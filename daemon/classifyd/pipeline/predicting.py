"""One task's answers for many records: checked, and a record that makes the task fail isolated by halves."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from classifyd.api import Answer, PredictionFailed
from classifyd.pipeline.loading import Loaded
from classifyd.values import Annotation, Fault, Label, Record, Span

FAILURES_IN_A_ROW = 8
"""So many single records failing, one after the other and none before them answered, mean that the task is sick."""


def predict(loaded: Loaded, records: Sequence[Record]) -> list[Annotation]:
    """One annotation per record, in order; those of records that the task fails on hold an error."""
    return _Isolation(loaded).run(records)


class _Isolation:
    """Predicts in halves until what fails stands alone; gives up on a task that answers nothing at all."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.answered = 0
        self.failed = 0

    def run(self, records: Sequence[Record]) -> list[Annotation]:
        if not records:
            return []
        try:
            annotations = _checked(self.loaded, self.loaded.predictor.predict(records), records)
        except Exception as error:  # noqa: BLE001  # a task is foreign code: whatever it raises is laid at its records
            return self._halve(records, error)
        self.answered += len(records)
        return annotations

    def _halve(self, records: Sequence[Record], error: Exception) -> list[Annotation]:
        if len(records) == 1 or self._hopeless:
            self.failed += len(records)
            return [failure(error) for _ in records]
        middle = len(records) // 2
        return self.run(records[:middle]) + self.run(records[middle:])

    @property
    def _hopeless(self) -> bool:
        return not self.answered and self.failed >= FAILURES_IN_A_ROW


def failure(error: Exception | str) -> Annotation:
    """The annotation of a record that a task failed on."""
    message = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return Annotation(error=Fault(PredictionFailed.__name__, message))


def _checked(loaded: Loaded, answers: Sequence[Answer], records: Sequence[Record]) -> list[Annotation]:
    if len(answers) != len(records):
        raise PredictionFailed(
            f"task {loaded.spec.name!r} gave {len(answers)} answers for {len(records)} records; it must give one each"
        )
    return [_finished(loaded, _annotation(answer), record) for answer, record in zip(answers, records, strict=True)]


def _annotation(answer: object) -> Annotation:
    if isinstance(answer, Annotation):
        return answer
    items = tuple(answer) if isinstance(answer, Iterable) else (answer,)
    if all(isinstance(item, Span) for item in items):
        return Annotation(spans=items)
    if all(isinstance(item, Label) for item in items):
        return Annotation(labels=tuple(sorted(items, key=lambda label: -label.score)))
    raise PredictionFailed(f"an answer must be an Annotation, labels or spans, not {type(answer).__name__}")


def _finished(loaded: Loaded, annotation: Annotation, record: Record) -> Annotation:
    scores = [*(label.score for label in annotation.labels), *(span.score for span in annotation.spans or ())]
    for score in scores:
        if not 0 <= score <= 1:  # nor NaN, which compares false
            raise PredictionFailed(f"a score must be within 0 and 1, not {score}")
    for span in annotation.spans or ():
        if not 0 <= span.start <= span.end <= len(record.text):
            raise PredictionFailed(f"a span [{span.start}, {span.end}) lies outside a text of {len(record.text)}")
    return replace(annotation, model=loaded.model, review=annotation.review or loaded.doubts(annotation))
