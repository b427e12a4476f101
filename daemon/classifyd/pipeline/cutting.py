"""Cutting a large input into ranges; what cannot be cut is spooled once into records that can."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from classifyd import readers
from classifyd.api import CuttingReader, Reader, Source
from classifyd.jobs import CutUp
from classifyd.pipeline.border import Border
from classifyd.pipeline.parts import write_whole
from classifyd.pipeline.sources import opened, pick_reader
from classifyd.readers import spool
from classifyd.reports import JobReport
from classifyd.values import Cut


def cut_up(job: CutUp, known: Sequence[Reader], border: Border) -> JobReport:
    """The cuts of an input and the reader they are for. UnreadableFile if it makes no sense as a whole."""
    with opened(job.path, job.name, job.reading, job.below) as source:
        reader = pick_reader(known, "", source)
        if isinstance(reader, CuttingReader) and readers.can_cut(reader, source):
            with border.call(f"{reader.name}: cut"):
                return JobReport(cuts=tuple(reader.cut(source, job.size)), reader=reader.name)
        cuts = _spool(job, reader, source, border)
        return JobReport(cuts=cuts, reader=spool.NAME, spooled=True)


def _spool(job: CutUp, reader: Reader, source: Source, border: Border) -> tuple[Cut, ...]:
    cuts: list[Cut] = []

    def fill(stream: BinaryIO) -> None:
        cuts.extend(spool.write(border.each(iter(reader.read(source, None)), f"{reader.name}: read"), stream, job.size))

    write_whole(Path(job.spool), fill)
    return tuple(cuts)


def open_all(paths: Iterable[str]) -> Iterable[BinaryIO]:
    """Each file in turn, closed when the next is asked for."""
    for path in paths:
        with Path(path).open("rb") as file:
            yield file
