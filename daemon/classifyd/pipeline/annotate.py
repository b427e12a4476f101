"""The main job: read the splits, annotate their records with every task, write one part each.

Records flow: they are read, predicted in chunks that may span many small inputs, and written, so that memory is bound
by a chunk and never by an input.
"""

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from classifyd.api import Reader, UnreadableFile, Writer
from classifyd.jobs import Annotate, Split, Suspect
from classifyd.pipeline.border import Border
from classifyd.pipeline.breadcrumb import Crumb, Range, Trail
from classifyd.pipeline.counting import Count, Tally
from classifyd.pipeline.flow import Flow, Item
from classifyd.pipeline.loading import Loaded
from classifyd.pipeline.parts import Drafts
from classifyd.pipeline.predicting import failure, predict
from classifyd.pipeline.sources import opened_split, pick_reader
from classifyd.reports import PartReport
from classifyd.values import AnnotatedRecord, Annotation, Fault, Record, WriteOptions

CHUNK_RECORDS = 1024
CHUNK_CHARS = 100_000
TOGETHER = 64
"""Small inputs that are predicted in one chunk, and whose parts get their names for the price of one flush."""


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
        """Write the parts, in the order of the splits, and report each; an unreadable input's holds its fault.

        While the disk takes some of them the next ones are annotated.
        """
        flow = Flow(self._annotated(self._items()))
        splits = self.job.splits
        with contextlib.ExitStack() as kept:
            written: deque[tuple[Drafts, list[PartReport]]] = deque()
            for start in range(0, len(splits), TOGETHER):
                drafts = kept.enter_context(Drafts())
                reports = [self._part(split, flow, drafts) for split in splits[start : start + TOGETHER]]
                drafts.flush()
                written.append((drafts, reports))
                if len(written) > 1:
                    yield from _named(*written.popleft())
            for drafts, reports in written:
                yield from _named(drafts, reports)

    def _part(self, split: Split, flow: Flow, drafts: Drafts) -> PartReport:
        count = Count(split)
        flow.fetch()
        try:
            written = drafts.write(Path(split.part), lambda stream: self._write(split, flow, count, stream))
        except UnreadableFile as error:
            return PartReport(split.claim, split.number, fault=Fault.of(error))
        finally:
            flow.skip(split)  # what a writer leaves must not be taken for the next input's
        return count.report(written.size, written.digest)

    def _write(self, split: Split, flow: Flow, count: Count, stream: BinaryIO) -> None:
        with self.border.call(f"{self.job.format}: write"):
            self.writer.write(map(count.see, flow.of(split)), stream, self._writing())

    def _writing(self) -> WriteOptions:
        """The job's options, with the tasks that mark spans where all of them are known: columns are the same then."""
        if any(loaded.marks_spans is None for loaded in self.tasks):
            return self.job.writing
        spans = tuple(loaded.spec.name for loaded in self.tasks if loaded.marks_spans)
        return replace(self.job.writing, span_tasks=spans)

    # ------------------------------------------------------------------ reading

    def _items(self) -> Iterator[Item]:
        for split in self.job.splits:
            self.trail.drop(Crumb("reading", ranges=(Range(split.claim, split.number, 0, 0),)))
            try:
                for record in self._read(split):
                    yield Item(split, record)
            except UnreadableFile as error:
                yield Item(split, error=error)
            else:
                yield Item(split)

    def _read(self, split: Split) -> Iterator[Record]:
        with opened_split(split, self.job.reading) as source:
            reader = pick_reader(self.readers, split.reader, source)
            with self.border:
                records = iter(reader.read(source, split.cut))
            yield from self.border.each(records, f"{reader.name}: read")

    # ------------------------------------------------------------------ predicting

    def _annotated(self, items: Iterator[Item]) -> Iterator[Item | tuple[Split, AnnotatedRecord]]:
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

    def _answers(self, loaded: Loaded, chunk: Sequence[Item]) -> dict[int, Annotation]:
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


# ---------------------------------------------------------------------- helpers, in the order used


def _named(drafts: Drafts, reports: Iterable[PartReport]) -> Iterable[PartReport]:
    """The reports of parts, which have their names from here on."""
    drafts.name()
    return reports


def _chunks(items: Iterator[Item]) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    chars = ends = 0
    for item in items:
        chunk.append(item)
        chars += len(item.record.text) if item.record else 0
        ends += item.record is None
        if len(chunk) >= CHUNK_RECORDS or chars >= CHUNK_CHARS or ends == TOGETHER:
            yield chunk
            chunk, chars, ends = [], 0, 0
    if chunk:
        yield chunk


def _groups(task: str, chunk: Sequence[Item]) -> Iterator[list[int]]:
    """Places in the chunk that are predicted together: the innocent, then each half of each suspect range."""
    together: dict[tuple[str, int, int], list[int]] = {}
    for place, item in enumerate(chunk):
        if item.record is None or item.record.error or _conviction(task, item):
            continue
        together.setdefault(_suspicion(task, item), []).append(place)
    yield from (together[key] for key in sorted(together))


def _suspicion(task: str, item: Item) -> tuple[str, int, int]:
    """Which suspect range, and which half of it, a record belongs to; the innocent share ("", 0, 0)."""
    index = item.record.index if item.record else -1
    for suspect in item.split.suspects:
        if suspect.task == task and suspect.start <= index < suspect.end:
            middle = (suspect.start + suspect.end) // 2
            return (item.split.claim, suspect.start, index >= middle)
    return ("", 0, 0)


def _conviction(task: str, item: Item) -> Suspect | None:
    index = item.record.index if item.record and not item.record.error else -1
    for suspect in item.split.suspects:
        if suspect.convicted and suspect.task == task and suspect.start <= index < suspect.end:
            return suspect
    return None


def _ranges(group: Sequence[int], chunk: Sequence[Item]) -> tuple[Range, ...]:
    """The stretches of index, split by split, that a group covers."""
    found = []
    for split, places in itertools.groupby(group, key=lambda place: chunk[place].split):
        indices = [_record(chunk[place]).index for place in places]
        found.append(Range(split.claim, split.number, indices[0], indices[-1] + 1))
    return tuple(found)


def _record(item: Item) -> Record:
    assert item.record is not None
    return item.record
