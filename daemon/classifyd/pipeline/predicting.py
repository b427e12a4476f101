"""One task's answers for many records, with a record that makes the task fail isolated by halves."""

from collections.abc import Sequence

from classifyd.api import PredictionFailed
from classifyd.pipeline.answers import checked
from classifyd.pipeline.border import Border, said
from classifyd.pipeline.loading import Loaded
from classifyd.values import Annotation, Fault, Record

FAILURES_IN_A_ROW = 8
"""So many single records failing, one after the other and none before them answered, mean that the task is sick."""


def predict(loaded: Loaded, records: Sequence[Record], border: Border) -> list[Annotation]:
    """One annotation per record, in order; those of records that the task fails on hold an error."""
    return _Isolation(loaded, border).run(records)


class _Isolation:
    """Predicts in halves until what fails stands alone; gives up on a task that answers nothing at all."""

    def __init__(self, loaded: Loaded, border: Border) -> None:
        self.loaded = loaded
        self.border = border
        self.answered = 0
        self.failed = 0

    def run(self, records: Sequence[Record]) -> list[Annotation]:
        if not records:
            return []
        try:
            # Looking through the answers is to call foreign code, too.
            with self.border.call(f"{self.loaded.spec.name}: predict", records=len(records)):
                annotations = checked(self.loaded, self.loaded.predictor.predict(records), records)
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
    message = error if isinstance(error, str) else f"{type(error).__name__}: {said(error)}"
    return Annotation(error=Fault(PredictionFailed.__name__, message))
