"""Labelled data as examples: tables, JSON, folders of texts or mails by label, and columns of tokens and tags."""

import glob
import io
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from classifyd import readers
from classifyd.api import Reader, Record, Source
from classifyd.errors import TrainingError, UnreadableFile
from classifyd.readers.encoding import head
from classifyd.readers.fields import SET_IT
from classifyd.training import conll, urls
from classifyd.training.columns import LABEL_NAMES, SOURCE_NAMES, SPAN_NAMES, Columns, find, label_of, spans_of
from classifyd.values import Example, ReadOptions

COLUMN_SUFFIXES = frozenset({".conll", ".iob", ".iob2", ".iobes", ".bio", ".conllu"})
HEAD_BYTES = 8192

_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def read(data: Sequence[str], columns: Columns, known: Sequence[Reader]) -> tuple[Example, ...]:
    """Every example of the files, folders, glob patterns and URLs in `data`, in order.

    TrainingError says what is wrong where: nothing there, no label's column, a row that does not fit.
    """
    examples = [example for one in data for example in _read(one, columns, known)]
    marked = {example.spans is not None for example in examples}
    if len(marked) > 1:
        raise TrainingError("some of the data labels whole texts and some marks spans; train with one of the two")
    _refuse_two_spellings(examples, columns)
    return tuple(examples)


def _refuse_two_spellings(examples: Sequence[Example], columns: Columns) -> None:
    """TrainingError if some labels are numbers and some are words, and no mapping says that this is meant."""
    wanted = set(columns.mapping.values())
    labels = {example.label for example in examples if example.label is not None} - wanted
    numbers = {label for label in labels if _NUMBER.fullmatch(label)}
    if numbers and labels - numbers:
        shown = [", ".join(sorted(some)[:5]) for some in (numbers, labels - numbers)]
        raise TrainingError(
            f"some labels are numbers ({shown[0]}) and some are words ({shown[1]}); say what each number stands for, "
            f"itself included, with --map {min(numbers)}=LABEL,…"
        )


def _read(name: str, columns: Columns, known: Sequence[Reader]) -> Iterator[Example]:
    if not urls.is_url(name):
        for path in _paths(urls.as_path(name)):
            yield from _read_path(path, columns, known)
        return
    with tempfile.TemporaryDirectory(prefix="classifyd-") as folder:
        try:
            for path in urls.fetch(name, Path(folder)):
                yield from _read_path(path, columns, known)
        except TrainingError as error:
            # The copy is gone by the time that anyone reads this.
            raise TrainingError(str(error).replace(f"{folder}/", f"{name}: ")) from error


def _paths(pattern: str) -> list[Path]:
    path = Path(pattern)
    found = [path] if path.exists() else [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207  # absolute patterns too
    if not found:
        raise TrainingError(f"--data {pattern}: there is no such file or folder")
    return found


def _read_path(path: Path, columns: Columns, known: Sequence[Reader]) -> Iterator[Example]:
    try:
        yield from _read_folder(path, columns, known) if path.is_dir() else _read_file(path, columns, known)
    except (UnreadableFile, OSError) as error:
        said = str(error).replace(SET_IT, "name it with --text-column. There are:")
        raise TrainingError(f"--data {path}: {said}") from error


def _read_folder(folder: Path, columns: Columns, known: Sequence[Reader]) -> Iterator[Example]:
    """The texts of a folder with one sub-folder per label."""
    labels = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not labels:
        raise TrainingError(f"--data {folder}: a folder must hold one sub-folder per label, each with its texts")
    for label in labels:
        files = sorted(path for path in label.rglob("*") if path.is_file() and not path.name.startswith("."))
        for path in files:
            for record in _records(path, columns, known):
                yield Example(record.text, label=columns.mapped(label.name), source=folder.name)


def _read_file(path: Path, columns: Columns, known: Sequence[Reader]) -> Iterator[Example]:
    with readers.open_source(str(path), path.name, ReadOptions(columns.text)) as source:
        stem = PurePath(source.name)
        if _is_columns(source):
            lines = io.TextIOWrapper(source.stream, encoding="utf-8", errors="replace")
            found = (conll.example(sentence, stem.stem) for sentence in conll.sentences(lines))
            yield from (_mapped(example, columns) for example in found)
            lines.detach()
        else:
            reader = readers.choose(known, source)
            for record in reader.read(source, None):
                yield _from_row(record, columns, f"{path}: record {record.index + 1}", stem.stem)


def _is_columns(source: Source) -> bool:
    """Whether the file is columns of tokens and tags; the stream is left at its beginning."""
    suffix = PurePath(source.name).suffix.lower()
    if suffix in COLUMN_SUFFIXES:
        return True
    if suffix not in {"", ".txt", ".tsv", ".train", ".dev", ".test"}:
        return False
    start = head(source.stream)[:HEAD_BYTES].decode("utf-8", "replace")
    return conll.looks_like_columns(start.rpartition("\n")[0] or start)


def _records(path: Path, columns: Columns, known: Sequence[Reader]) -> Iterator[Record]:
    with readers.open_source(str(path), path.name, ReadOptions(columns.text)) as source:
        reader = readers.choose(known, source)
        yield from (record for record in reader.read(source, None) if record.error is None)


def _from_row(record: Record, columns: Columns, where: str, stem: str) -> Example:
    if record.error is not None:
        raise TrainingError(f"{where}: {record.error.message}")
    row = record.row if record.row is not None else record.meta
    if not row:
        raise TrainingError(f"{where}: holds a text without a label; use a table, JSON, or one folder per label")
    names = list(row)
    source = str(row.get(find(names, None, SOURCE_NAMES) or "") or stem)
    label = find(names, columns.label, LABEL_NAMES)
    spans = find(names, columns.label, SPAN_NAMES)
    if label is not None and not isinstance(row[label], list):
        return Example(record.text, label=columns.mapped(label_of(row, label, where)), source=source)
    if spans is not None:
        return _mapped(_marked(record.text, row[spans], source, where), columns)
    asked = f"{columns.label!r}" if columns.label else "that holds the label or the spans"
    raise TrainingError(f"{where}: no column {asked}; name one with --label-column. There are: {', '.join(names)}")


def _marked(text: str, value: Any, source: str, where: str) -> Example:
    return Example(text, spans=spans_of(value, text, where), source=source)


def _mapped(example: Example, columns: Columns) -> Example:
    """Spans under the labels wanted; one mapped to "O" is dropped."""
    spans = tuple(replace(span, label=columns.mapped(span.label)) for span in example.spans or ())
    return replace(example, spans=tuple(span for span in spans if span.label != "O"))
