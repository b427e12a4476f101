"""Labelling in this process: files to jobs, jobs to parts in a temporary folder, parts to the output, in order."""

import itertools
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from classifyd import errors, plugins
from classifyd.cli.progress import progress
from classifyd.cli.request import Request, checked
from classifyd.cli.results import STANDARD, emit, sink, standard_output
from classifyd.cli.screen import complain, line
from classifyd.config import Config, cores
from classifyd.errors import ClassifydError, UsageError
from classifyd.inbox.moves import shown
from classifyd.inbox.scan import discover
from classifyd.jobs import Annotate, Assemble, CutUp, Split, TaskSpec
from classifyd.pipeline import Pipeline
from classifyd.pipeline.border import Border
from classifyd.reports import PartReport
from classifyd.service.clashes import refuse_overwriting, refuse_shared, refuse_within
from classifyd.service.work import answer_format, output_name
from classifyd.trace import Trace
from classifyd.values import Cut, Fault, ReadOptions, WriteOptions

LARGE_BYTES = 4 * 2**20
JOB_BYTES = 2**20
JOB_FILES = 64


@dataclass(frozen=True, slots=True)
class Input:
    """A file to label: where it is, what it is called, its size in bytes."""

    path: str
    name: str
    size: int


def run(request: Request, config: Config) -> int:
    """Label the files; 0, or 1 if anything could not be read or labelled. Faults are told as they come."""
    in_the_way = request.output == STANDARD and sys.stdout.isatty()
    with standard_output() as standard:
        return _run(request, config, standard, bar=not in_the_way)


def _run(request: Request, config: Config, standard: BinaryIO, *, bar: bool) -> int:
    trace = Trace.shown(os.environ)
    registry = plugins.load(config.plugins, trace=trace)
    specs = checked(request, registry, config)
    if _is_folder(request.output):
        refuse_within(request.files, request.output)
    with tempfile.TemporaryDirectory(prefix="classifyd-") as temporary:
        pipeline = Pipeline(registry, Border(trace=trace))
        labelling = Labelling(pipeline, specs, request, config, Path(temporary), standard)
        inputs = list(labelling.inputs(request.files))
        total = sum(item.size for item in inputs)
        with progress(total, shown=bar) as labelling.done:
            labelling.write(inputs, request.output)
    return int(labelling.failed)


class Labelling:
    """One run of the command. `failed` tells whether anything went wrong; `done` is told of bytes that are through."""

    def __init__(
        self,
        pipeline: Pipeline,
        specs: tuple[TaskSpec, ...],
        request: Request,
        config: Config,
        temporary: Path,
        standard: BinaryIO,
    ) -> None:
        self.failed = False
        self.done: Callable[[int], None] = lambda _: None
        self._pipeline = pipeline
        self._specs = specs
        self._format = request.format
        self._csv_formulas = request.csv_formulas
        self._config = config
        self._temporary = temporary
        self._standard = standard
        self._reading = ReadOptions(None, config.limits)
        self._numbers = itertools.count()

    # ------------------------------------------------------------------ what there is to label

    def inputs(self, files: Iterable[str]) -> Iterator[Input]:
        """Every file named, every file below a folder named, and standard input as a file."""
        for name in files:
            try:
                yield from self._inputs(name)
            except OSError as error:
                self._tell(name, error.strerror or str(error))

    def _inputs(self, name: str) -> Iterator[Input]:
        if name == STANDARD:
            yield self._spooled(sys.stdin.buffer, "stdin")
        elif Path(name).is_dir():
            inside = discover(
                Path(name),
                recursive=True,
                closed=lambda folder, error: self._tell(str(Path(name, folder)), error.strerror or str(error)),
            )
            for found in sorted(inside, key=lambda found: found.name):
                yield Input(str(Path(name, found.name)), found.name, found.size)
        elif stat.S_ISREG(Path(name).stat().st_mode):
            # A link that somebody names is meant; links are refused only where strangers drop files.
            yield Input(os.path.realpath(name), Path(name).name, Path(name).stat().st_size)
        else:
            with Path(name).open("rb") as stream:
                yield self._spooled(stream, Path(name).name)

    def _spooled(self, stream: BinaryIO, name: str) -> Input:
        """What can be read only once, as a file."""
        place = self._temporary / f"{next(self._numbers)}.input"
        with place.open("wb") as file:
            shutil.copyfileobj(stream, file)
        return Input(str(place), name, place.stat().st_size)

    # ------------------------------------------------------------------ where the answers go

    def write(self, inputs: Sequence[Input], output: str) -> None:
        """The answers of all inputs: into a folder, one each; else one after the other into a file or stdout.

        UsageError before anything is written if an answer would take the place of an input, or of another answer.
        """
        if _is_folder(output):
            self._write_each(inputs, Path(output))
            return
        if output != STANDARD:
            refuse_overwriting((item.path for item in inputs), [output])
        if {answer_format(self._format, item.name) for item in inputs} <= {"jsonl"}:
            with sink(output, self._standard) as stream:
                for part in self._parts(inputs):
                    emit(part, stream)
        elif len(inputs) == 1:
            self._write_one(inputs[0], output)
        else:
            raise UsageError(f"--format {self._format}: several files need a folder; name one with --output DIR/")

    def _write_each(self, inputs: Sequence[Input], folder: Path) -> None:
        outputs = [str(folder / output_name(item.name, answer_format(self._format, item.name))) for item in inputs]
        paths = [item.path for item in inputs]
        refuse_shared(zip(paths, outputs, strict=True))
        refuse_overwriting(paths, outputs)
        for item, output in zip(inputs, outputs, strict=True):
            self._write_one(item, output)

    def _write_one(self, item: Input, output: str) -> None:
        """One input's answer as one file, unless the input could not be read."""
        parts = tuple(self._parts([item]))
        if not parts:
            return
        whole = str(self._temporary / "whole")
        report = self._pipeline.run(Assemble("label", parts, whole, answer_format(self._format, item.name)))
        if report.fault:
            raise _raised(report.fault)
        with sink(output, self._standard) as stream:
            emit(whole, stream)
        for part in parts:
            Path(part).unlink()

    # ------------------------------------------------------------------ jobs

    def _parts(self, inputs: Sequence[Input]) -> Iterator[str]:
        """The finished parts, in order. What is wrong with inputs and records is told, the rest raised."""
        for splits, size in self._jobs(inputs):
            report = self._pipeline.run(self._job(splits))
            for fault in (*report.unloadable.values(), *filter(None, [report.fault])):
                raise _raised(fault)
            for split, part in zip(splits, report.parts, strict=True):
                if self._is_good(split, part):
                    yield split.part
            self.done(size)

    def _jobs(self, inputs: Sequence[Input]) -> Iterator[tuple[tuple[Split, ...], int]]:
        """Splits to do together, and how many bytes of the inputs they stand for."""
        for group in _groups(inputs):
            if group[0].size > LARGE_BYTES:
                yield from self._ranges(group[0])
            else:
                yield tuple(self._split(item) for item in group), sum(item.size for item in group)

    def _ranges(self, large: Input) -> Iterator[tuple[tuple[Split, ...], int]]:
        spool = str(self._temporary / "large.spool")
        report = self._pipeline.run(CutUp("label", large.path, large.name, JOB_BYTES, self._reading, spool))
        if report.fault:
            self._tell(large.name, report.fault.message)
        for cut in report.cuts:
            path = spool if report.spooled else large.path
            split = replace(self._split(large, cut), path=path, reader=report.reader)
            yield (split,), large.size // len(report.cuts)

    def _split(self, item: Input, cut: Cut | None = None) -> Split:
        number = next(self._numbers)
        part = str(self._temporary / f"{number}.part")
        return Split(f"{number}", number, item.path, shown(item.name), f"label/{shown(item.name)}", part, cut=cut)

    def _job(self, splits: tuple[Split, ...]) -> Annotate:
        """The job for splits of one format: only a large input's, or inputs that are answered alike, come together."""
        writing = WriteOptions(tuple(spec.name for spec in self._specs), csv_formulas=self._csv_formulas)
        answer = answer_format(self._format, splits[0].name)
        crumbs = str(self._temporary / "breadcrumb")
        device = self._config.daemon.device
        return Annotate(splits, self._specs, self._reading, answer, writing, crumbs, cores(), device)

    def _is_good(self, split: Split, part: PartReport) -> bool:
        """Whether there is a part; what is wrong with it or its records is told."""
        if part.fault:
            self._tell(split.name, part.fault.message)
        elif part.errors:
            self._tell(split.name, f"{part.errors} of {part.records} records have errors; see their errors")
        return part.fault is None

    def _tell(self, name: str, what: str) -> None:
        self.failed = True
        what = line(what)
        complain(what if what.startswith(f"{shown(name)}:") else f"{shown(name)}: {what}")


# ---------------------------------------------------------------------- helpers, in the order used


def _is_folder(output: str) -> bool:
    return output != STANDARD and (output.endswith("/") or Path(output).is_dir())


def _groups(inputs: Sequence[Input]) -> Iterator[list[Input]]:
    """Small inputs together, up to the size of a job; a large one alone."""
    group: list[Input] = []
    for item in inputs:
        if group and (len(group) >= JOB_FILES or sum(i.size for i in group) + item.size > JOB_BYTES):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _raised(fault: Fault) -> ClassifydError:
    """The fault as the error that it came from, so that the exit code is the right one."""
    kind = getattr(errors, fault.type, None)
    if kind is None or not issubclass(kind, ClassifydError):
        return ClassifydError(fault.message)
    made: ClassifydError = kind(fault.message)
    return made
