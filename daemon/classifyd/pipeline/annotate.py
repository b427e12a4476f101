"""The main job: read the splits, annotate their records with every task, write one part each.

Records flow: they are read, predicted in chunks that may span many small inputs, and written, so that memory is bound
by a chunk and never by an input.
"""

import itertools
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from classifyd.api import Reader, UnreadableFile, Writer
from classifyd.jobs import Annotate, PartReport, Split, Suspect
from classifyd.pipeline.border import Border
from classifyd.pipeline.breadcrumb import Crumb, Range, Trail
from classifyd.pipeline.loading import Loaded
from classifyd.pipeline.parts import Drafts
from classifyd.pipeline.predicting import failure, predict
from classifyd.pipeline.sources import opened_split, pick_reader
from classifyd.values import AnnotatedRecord, Annotation, Fault, Record, WriteOptions

CHUNK_RECORDS = 1024
CHUNK_CHARS = 100_000
TOGETHER = 64
"""Parts of small inputs that get their names together, for the price of one flush of the disk."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One record of one split, or the error that ends the split."""

    split: Split
    record: Record | None
    error: UnreadableFile | None = None


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


@dataclass(slots=True)
class Annotating:
    """One job under way. `tallies` tells afterwards how each task fared."""

    job: Annotate
    tasks: Sequence[Loaded]
    readers: Sequence[Reader]
    writer: Writer
    trail: Trail
    border: Border
    tallies: dict[str, Tally] = field(default_factory=dict)

    def parts(self) -> Iterator[PartReport]:
        """Write the parts, in the order of the splits, and report each; an unreadable input's holds its fault."""
        flow = _Flow(self._annotated(self._items()))
        reports: list[PartReport] = []
        with Drafts() as drafts:
            for number, split in enumerate(self.job.splits, 1):
                reports.append(self._part(split, flow, drafts))
                if len(drafts) == TOGETHER or number == len(self.job.splits):
                    drafts.name()
                    yield from reports
                    reports.clear()

    def _part(self, split: Split, flow: "_Flow", drafts: Drafts) -> PartReport:
        count = _Count(split)
        try:
            written = drafts.write(Path(split.part), lambda stream: self._write(split, flow, count, stream))
        except UnreadableFile as error:
            return PartReport(split.claim, split.number, fault=Fault.of(error))
        finally:
            flow.skip(split)  # what a writer leaves must not be taken for the next input's
        return count.report(written.size, written.digest)

    def _write(self, split: Split, flow: "_Flow", count: "_Count", stream: BinaryIO) -> None:
        with self.border.call(f"{self.job.format}: write"):
            self.writer.write(map(count.see, flow.of(split)), stream, self._writing())

    def _writing(self) -> WriteOptions:
        """The job's options, with the tasks that mark spans where all of them are known: columns are the same then."""
        if any(loaded.marks_spans is None for loaded in self.tasks):
            return self.job.writing
        spans = tuple(loaded.spec.name for loaded in self.tasks if loaded.marks_spans)
        return replace(self.job.writing, span_tasks=spans)

    # ------------------------------------------------------------------ reading

    def _items(self) -> Iterator[_Item]:
        for split in self.job.splits:
            self.trail.drop(Crumb("reading", ranges=(Range(split.claim, split.number, 0, 0),)))
            try:
                for record in self._read(split):
                    yield _Item(split, record)
            except UnreadableFile as error:
                yield _Item(split, None, error)

    def _read(self, split: Split) -> Iterator[Record]:
        with opened_split(split, self.job.reading) as source:
            reader = pick_reader(self.readers, split.reader, source)
            with self.border:
                records = iter(reader.read(source, split.cut))
            yield from self.border.each(records, f"{reader.name}: read")

    # ------------------------------------------------------------------ predicting

    def _annotated(self, items: Iterator[_Item]) -> Iterator[_Item | tuple[Split, AnnotatedRecord]]:
        written = Crumb("writing", ranges=tuple(Range(split.claim, split.number, 0, 0) for split in self.job.splits))
        for chunk in _chunks(items):
            answers = [self._answers(loaded, chunk) for loaded in self.tasks]
            # From here on no task is to blame: parts are written, and the next chunk is read.
            self.trail.drop(written)
            for place, item in enumerate(chunk):
                if item.record is None:
                    yield item
                    continue
                names = (loaded.spec.name for loaded in self.tasks)
                said = {name: a[place] for name, a in zip(names, answers, strict=True) if place in a}
                identity = f"{item.split.id_prefix}#{item.record.index}"
                yield item.split, AnnotatedRecord(identity, item.split.name, item.record, said)

    def _answers(self, loaded: Loaded, chunk: Sequence[_Item]) -> dict[int, Annotation]:
        """What one task says of a chunk: by place in the chunk; nothing for records that could not be read."""
        answers: dict[int, Annotation] = {}
        tally = self.tallies.setdefault(loaded.spec.name, Tally())
        for group in _groups(loaded.spec.name, chunk):
            self.trail.drop(Crumb("predicting", loaded.spec.name, _ranges(group, chunk), tally.answered))
            began = time.monotonic()
            annotations = predict(loaded, [_record(chunk[place]) for place in group], self.border)
            tally.seconds += time.monotonic() - began
            tally.add(annotations)
            answers.update(zip(group, annotations, strict=True))
        for place, item in enumerate(chunk):
            conviction = _conviction(loaded.spec.name, item)
            if conviction:
                answers[place] = failure(conviction.reason)
        return answers


class _Flow:
    """The annotated records of a job in order, handed out split by split."""

    def __init__(self, items: Iterator[_Item | tuple[Split, AnnotatedRecord]]) -> None:
        self._items = items
        self._next = next(items, None)

    def of(self, split: Split) -> Iterator[AnnotatedRecord]:
        """The annotated records of one split. UnreadableFile where its reading ended in a fault."""
        while self._next is not None:
            item = self._next
            if isinstance(item, _Item):
                if item.split is not split:
                    return
                assert item.error is not None
                raise item.error
            if item[0] is not split:
                return
            self._next = next(self._items, None)
            yield item[1]

    def skip(self, split: Split) -> None:
        """Pass over what is left of a split."""
        while self._next is not None and _split_of(self._next) is split:
            self._next = next(self._items, None)


class _Count:
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


# ---------------------------------------------------------------------- helpers, in the order used


def _doubtful(annotation: Annotation) -> str | None:
    """The label for whose sake a record is for review: the top one, or that of the span with the lowest score."""
    if annotation.labels:
        return annotation.labels[0].label
    return min(annotation.spans, key=lambda span: span.score).label if annotation.spans else None


def _chunks(items: Iterator[_Item]) -> Iterator[list[_Item]]:
    chunk: list[_Item] = []
    chars = 0
    for item in items:
        chunk.append(item)
        chars += len(item.record.text) if item.record else 0
        if len(chunk) >= CHUNK_RECORDS or chars >= CHUNK_CHARS:
            yield chunk
            chunk, chars = [], 0
    if chunk:
        yield chunk


def _groups(task: str, chunk: Sequence[_Item]) -> Iterator[list[int]]:
    """Places in the chunk that are predicted together: the innocent, then each half of each suspect range."""
    together: dict[tuple[str, int, int], list[int]] = {}
    for place, item in enumerate(chunk):
        if item.record is None or item.record.error or _conviction(task, item):
            continue
        together.setdefault(_suspicion(task, item), []).append(place)
    yield from (together[key] for key in sorted(together))


def _suspicion(task: str, item: _Item) -> tuple[str, int, int]:
    """Which suspect range, and which half of it, a record belongs to; the innocent share ("", 0, 0)."""
    index = item.record.index if item.record else -1
    for suspect in item.split.suspects:
        if suspect.task == task and suspect.start <= index < suspect.end:
            middle = (suspect.start + suspect.end) // 2
            return (item.split.claim, suspect.start, index >= middle)
    return ("", 0, 0)


def _conviction(task: str, item: _Item) -> Suspect | None:
    index = item.record.index if item.record and not item.record.error else -1
    for suspect in item.split.suspects:
        if suspect.convicted and suspect.task == task and suspect.start <= index < suspect.end:
            return suspect
    return None


def _ranges(group: Sequence[int], chunk: Sequence[_Item]) -> tuple[Range, ...]:
    """The stretches of index, split by split, that a group covers."""
    found = []
    for split, places in itertools.groupby(group, key=lambda place: chunk[place].split):
        indices = [_record(chunk[place]).index for place in places]
        found.append(Range(split.claim, split.number, indices[0], indices[-1] + 1))
    return tuple(found)


def _record(item: _Item) -> Record:
    assert item.record is not None
    return item.record


def _split_of(item: _Item | tuple[Split, AnnotatedRecord]) -> Split:
    return item.split if isinstance(item, _Item) else item[0]
