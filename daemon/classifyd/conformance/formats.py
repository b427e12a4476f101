"""The promises of readers, writers and observers."""

import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from classifyd import readers
from classifyd.api import CuttingReader, FileReport, JobReport, Reader, Source, UnreadableFile, Writer
from classifyd.conformance import samples
from classifyd.conformance.findings import Failed, Noted, Skipped
from classifyd.jobs import PartReport
from classifyd.pipeline.border import Border
from classifyd.plugins import Registry
from classifyd.values import (
    AnnotatedRecord,
    Annotation,
    Cut,
    Fault,
    Label,
    ReadOptions,
    Record,
    Span,
    WriteOptions,
)

MARK = "Xylophonquartett"
"""A word that must not be found where texts are to be left out."""

Checks = Iterator[tuple[str, Callable[[], str]]]


class ReaderChecks:
    """The checks of one reader, on contents made up here and on the samples that it serves."""

    def __init__(self, reader: Reader, given: Sequence[Path], border: Border) -> None:
        self._reader = reader
        self._border = border
        self._suffix = reader.suffixes[0] if reader.suffixes else ""
        self._given = given

    def all(self) -> Checks:
        """Each check with its name."""
        yield "hostile contents", self.hostile
        yield "records of the samples", self.records
        yield "the same when read again", self.again
        if isinstance(self._reader, CuttingReader):
            yield "ranges give the whole", self.ranges

    def hostile(self) -> str:
        """Records, or UnreadableFile with a sentence, and nothing else."""
        refused = 0
        contents = samples.hostile(self._suffix)
        for what, (name, data) in contents.items():
            try:
                _check_records(self._read(io.BytesIO(data), name))
            except UnreadableFile as error:
                refused += 1
                if not str(error).strip():
                    raise Failed(f"{what}: UnreadableFile without a word on what is wrong") from error
            except Failed as error:
                raise Failed(f"{what}: {error}") from error
            except Exception as error:
                raise Failed(
                    f"{what}: {type(error).__name__}: {error}; an input that makes no sense is UnreadableFile's"
                ) from error
        return f"{len(contents)} of them, {refused} refused with a reason"

    def records(self) -> str:
        found = []
        for name, opened in self._samples():
            records = self._whole(opened)
            _check_records(records)
            good = sum(record.error is None for record in records)
            found.append(f"{name}: {good} records" + (f", {len(records) - good} with an error" * (good < len(records))))
        return "; ".join(found)

    def again(self) -> str:
        for name, opened in self._samples():
            if self._whole(opened) != self._whole(opened):
                raise Failed(f"{name}: other records at the second reading")
        return "equal"

    def ranges(self) -> str:
        """Ranges that are read independently give the same records as the whole, in order, with their indices."""
        assert isinstance(self._reader, CuttingReader)
        numbers = []
        for name, opened in self._samples():
            whole = self._whole(opened)
            for size in (100, 1000, 100_000):
                with opened() as source:
                    cuts = list(self._reader.cut(source, size))
                read: list[Record] = []
                for cut in reversed(cuts):
                    with opened() as source:
                        part = list(self._reader.read(source, cut))
                    read = [replace(record, index=cut.first + number) for number, record in enumerate(part)] + read
                    _check_indices(part, cut)
                if read != whole:
                    raise Failed(f"{name}: {len(cuts)} ranges of {size} bytes give other records than the whole")
                numbers.append(len(cuts))
        return f"as one, and in up to {max(numbers)} ranges"

    def _whole(self, opened: Callable[[], Any]) -> list[Record]:
        with opened() as source, self._border:
            return list(self._reader.read(source, None))

    def _read(self, stream: BinaryIO, name: str) -> list[Record]:
        return list(self._reader.read(Source(stream, name), None))

    def _samples(self) -> list[tuple[str, Callable[[], Any]]]:
        """What to read with its name: the samples that were given, else lines of text if those are read as such."""
        suited = [path for path in self._given if _suffix(path) in self._reader.suffixes]
        found: list[tuple[str, Callable[[], Any]]] = [(path.name, _opener(path)) for path in suited]
        if not found:
            name, data = samples.lines(self._suffix)
            try:
                good = [record for record in self._read(io.BytesIO(data), name) if record.error is None]
            except UnreadableFile:
                good = []
            if not good:
                served = ", ".join(self._reader.suffixes) or "of its own"
                raise Skipped(f"name a file that it reads with --sample ({served})")
            found.append((name, _memory_opener(name, data)))
        return found


class WriterChecks:
    """The checks of one writer."""

    def __init__(self, writer: Writer, known: Sequence[Reader], border: Border) -> None:
        self._writer = writer
        self._readers = known
        self._border = border
        self._options = WriteOptions(("kind", "names"), span_tasks=("names",))

    def all(self) -> Checks:
        """Each check with its name."""
        yield "odd Unicode and errors", self.odd
        yield "no records", self.none
        yield "the same bytes again", self.again
        yield "parts give the whole", self.parts
        yield "leaves texts out", self.texts

    def odd(self) -> str:
        data = self._written(_annotated(samples.odd()))
        return f"{len(data):,} bytes"

    def none(self) -> str:
        whole = self._written([])
        self._assembled([whole, whole])
        return f"{len(whole):,} bytes"

    def again(self) -> str:
        records = _annotated(samples.ordinary(50))
        if self._written(records) != self._written(records):
            raise Failed("the same records give other bytes: an output could not be made again after a crash")
        return "equal"

    def parts(self) -> str:
        records = _annotated(samples.ordinary(90))
        whole = self._written(records)
        parts = [self._written(records[start:end]) for start, end in itertools.pairwise((0, 1, 40, len(records)))]
        assembled = self._assembled(parts)
        if assembled == whole:
            return "byte for byte"
        reader = next((one for one in self._readers if f".{self._writer.format}" in one.suffixes), None)
        if reader is None:
            raise Noted("other bytes than at once; whether they mean the same cannot be told, for nothing reads them")
        at_once, put_together = (
            list(reader.read(Source(io.BytesIO(data), f"whole.{self._writer.format}"), None))
            for data in (whole, assembled)
        )
        if at_once != put_together:
            raise Failed(
                f"parts put together hold other records than a file written at once, as {reader.name} reads it"
            )
        return f"the same records, as the reader {reader.name} finds"

    def texts(self) -> str:
        secret = [Record(f"{MARK} {number}", number) for number in range(3)]
        marks = Annotation(spans=(Span(0, len(MARK), "PER", 0.9),), model="names@1")
        records = [
            AnnotatedRecord(f"a#{record.index}", "a.txt", record, {"kind": _label("x"), "names": marks})
            for record in secret
        ]
        if MARK.encode() in self._written(records, replace(self._options, include_text=False)):
            raise Failed("a text is in the output although include_text is false")
        return "with include_text = false"

    def _written(self, records: Sequence[AnnotatedRecord], options: WriteOptions | None = None) -> bytes:
        stream = io.BytesIO()
        with self._border:
            self._writer.write(iter(records), stream, options or self._options)
        return _whole(stream)

    def _assembled(self, parts: Iterable[bytes]) -> bytes:
        stream = io.BytesIO()
        with self._border:
            self._writer.assemble(_in_turn(parts), stream)
        return _whole(stream)


class ObserverChecks:
    """Whether the observing hooks of a plugin take their reports."""

    def __init__(self, registry: Registry, border: Border) -> None:
        self._hook = registry.hook
        self._border = border

    def all(self) -> Checks:
        """Each check with its name; none for a plugin that does not observe."""
        reports = {
            "job_done": JobReport((PartReport("claim", 0, 3, 1, 1),), 0.5, 3),
            "file_done": FileReport("mail", "a.eml", "quarantined", 0, 0, 0, None, 0.5, "unreadable"),
        }
        for hook, report in reports.items():
            if getattr(self._hook, hook).get_hookimpls():
                yield hook, lambda hook=hook, report=report: self._told(hook, report)  # type: ignore[misc]

    def _told(self, hook: str, report: object) -> str:
        with self._border:
            getattr(self._hook, hook)(report=report)
        return "takes a report"


# ---------------------------------------------------------------------- helpers, in the order used


def _check_records(records: Iterable[object]) -> None:
    """Failed if something that was read is no record, has another index than its place, or no proper text."""
    for place, record in enumerate(records):
        if not isinstance(record, Record):
            raise Failed(f"item {place} is {type(record).__name__}, not a Record")
        if record.index != place:
            raise Failed(f"record {place} has the index {record.index}; they are counted from 0")
        if not isinstance(record.text, str) or any("\ud800" <= char <= "\udfff" for char in record.text):
            raise Failed(f"record {place} has a text that is no proper Unicode")


def _check_indices(records: Sequence[Record], cut: Cut) -> None:
    """Failed if a range's records are not counted from where it begins."""
    if [record.index for record in records] != list(range(cut.first, cut.first + len(records))):
        raise Failed(f"the records of a range that begins with record {cut.first} are not counted from there")


def _suffix(path: Path) -> str:
    packed = path.suffix.lower() in (".gz", ".bz2", ".xz")
    return Path(path.stem if packed else path.name).suffix.lower()


def _opener(path: Path) -> Callable[[], Any]:
    return lambda: readers.open_source(str(path), path.name, ReadOptions())


def _memory_opener(name: str, data: bytes) -> Callable[[], Any]:
    class Opened:
        def __enter__(self) -> Source:
            return Source(io.BytesIO(data), name)

        def __exit__(self, *_: object) -> None:
            return None

    return Opened


def _in_turn(parts: Iterable[bytes]) -> Iterator[BinaryIO]:
    """Parts as the pipeline opens them: each is closed when the next is asked for."""
    for part in parts:
        with io.BytesIO(part) as stream:
            yield stream


def _whole(stream: io.BytesIO) -> bytes:
    if stream.closed:
        raise Failed("it closes the stream that it was given; its caller does that")
    return stream.getvalue()


def _label(name: str) -> Annotation:
    return Annotation((Label(name, 0.75), Label("other", 0.25)), model="kind@1")


def _annotated(records: Sequence[Record]) -> list[AnnotatedRecord]:
    """Records with labels, spans and errors, and metadata that is not the same for each."""
    fault = Fault("PredictionFailed", "an error, with a\nline end")
    found = []
    for record in records:
        spans = (Span(0, 1, "PER", 0.5),) if record.text else ()
        said = {
            "kind": Annotation(error=fault) if record.index % 5 == 3 else _label(f"label {record.index % 3}"),
            "names": Annotation(spans=spans, model="names@1", review=record.index % 2 == 0),
        }
        known = replace(record, meta={"subject": f"№ {record.index}"} if record.index % 2 else {})
        found.append(AnnotatedRecord(f"in/a.jsonl#{record.index}", "a.jsonl", known, said))
    found.append(AnnotatedRecord("in/a.jsonl#e", "a.jsonl", Record("", len(records), error=fault), {}))
    return found
