"""What a job says of itself: what each task made of the records, and what each part holds, counted as they pass."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from classifyd.jobs import Split
from classifyd.reports import PartReport
from classifyd.values import AnnotatedRecord, Annotation, Fault


@dataclass(slots=True)
class Tally:
    """What a task made of a job's records: how many it was given, how many it failed on, and how it failed last.

    `seconds` is what it took for all of them. Of the answers `labels` counts top labels, or spans by label; `scores` is
    the sum of their scores, and `reviews` how many answers are for review.
    """

    given: int = 0
    failed: int = 0
    fault: Fault | None = None
    seconds: float = 0.0
    labels: Counter[str] = field(default_factory=Counter)
    scores: float = 0.0
    reviews: int = 0

    @property
    def answered(self) -> int:
        return self.given - self.failed

    def add(self, annotations: Iterable[Annotation]) -> None:
        for annotation in annotations:
            self.given += 1
            if annotation.error:
                self.failed += 1
                self.fault = annotation.error
                continue
            said = annotation.labels[:1] or annotation.spans or ()
            self.labels.update(one.label for one in said)
            self.scores += sum(one.score for one in said)
            self.reviews += annotation.review


class Count:
    """Counts a part's records as they pass."""

    def __init__(self, split: Split) -> None:
        self.split = split
        self.records = self.errors = self.reviews = 0
        self.counts: dict[str, Counter[str]] = {}
        self.doubts: dict[str, Counter[str]] = {}
        self.first: AnnotatedRecord | None = None

    def see(self, annotated: AnnotatedRecord) -> AnnotatedRecord:
        """Count one record and pass it on."""
        said = annotated.annotations.values()
        self.first = self.first or annotated
        self.records += 1
        self.errors += annotated.record.error is not None or any(a.error for a in said)
        self.reviews += any(a.review for a in said)
        for task, annotation in annotated.annotations.items():
            labels = self.counts.setdefault(task, Counter())
            labels.update(
                [annotation.labels[0].label] if annotation.labels else (s.label for s in annotation.spans or ())
            )
            if annotation.review and (doubtful := _doubtful(annotation)) is not None:
                self.doubts.setdefault(task, Counter()).update([doubtful])
        return annotated

    def report(self, size: int, digest: str) -> PartReport:
        """The finished part's report; `labels` is filled for a single record only."""
        single = self.first.annotations if self.first and self.records == 1 else {}
        return PartReport(
            self.split.claim,
            self.split.number,
            self.records,
            self.errors,
            self.reviews,
            labels={task: a.labels[0].label for task, a in single.items() if a.labels},
            counts={task: dict(counter) for task, counter in self.counts.items()},
            doubts={task: dict(counter) for task, counter in self.doubts.items()},
            size=size,
            digest=digest,
        )


def _doubtful(annotation: Annotation) -> str | None:
    """The label for whose sake a record is for review: the top one, or that of the span with the lowest score."""
    if annotation.labels:
        return annotation.labels[0].label
    return min(annotation.spans, key=lambda span: span.score).label if annotation.spans else None
