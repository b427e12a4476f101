"""The promises of a reader, tried on hostile contents and on samples."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from classifyd import readers
from classifyd.api import CuttingReader, Reader, Source, UnreadableFile
from classifyd.conformance import samples
from classifyd.conformance.findings import Failed, Skipped
from classifyd.pipeline.border import Border
from classifyd.values import Cut, ReadOptions, Record


class ReaderChecks:
    """The checks of one reader, on contents made up here and on the samples that it serves."""

    def __init__(self, reader: Reader, given: Sequence[Path], border: Border) -> None:
        self._reader = reader
        self._border = border
        self._suffix = reader.suffixes[0] if reader.suffixes else ""
        self._given = given

    def all(self) -> Iterator[tuple[str, Callable[[], str]]]:
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
