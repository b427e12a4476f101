"""The promises of a writer and of observers."""

import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

from classifyd.api import FileReport, JobReport, Reader, Source, Writer
from classifyd.conformance import samples
from classifyd.conformance.findings import Failed, Noted
from classifyd.pipeline.border import Border
from classifyd.plugins import Registry
from classifyd.reports import PartReport
from classifyd.values import AnnotatedRecord, Annotation, Fault, Label, Record, Span, WriteOptions

MARK = "Xylophonquartett"
"""A word that must not be found where texts are to be left out."""

Checks = Iterator[tuple[str, Callable[[], str]]]


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
