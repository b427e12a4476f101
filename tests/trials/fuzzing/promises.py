"""What each surface promises of any bytes at all; a promise that is broken is an exception that nobody expects."""

import contextlib
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from classifyd import bundles, config, readers
from classifyd.api import AnnotatedRecord, CuttingReader, Limits, Record, Source, UnreadableFile, WriteOptions
from classifyd.errors import BundleError, ConfigError
from classifyd.readers import spool
from classifyd.writers import register_writers

T = TypeVar("T")
LIMITS = Limits(record_bytes=2**16, mime_parts=100, mime_depth=20)
CUT_BYTES = 64
KNOWN = readers.register_readers()
WRITERS = {writer.format: writer for writer in register_writers()}
PLACE = Path(tempfile.mkdtemp(prefix="fuzzing-"))


def mail(data: bytes) -> None:
    """A mail is one record or refused; an mbox is the same in cuts as whole."""
    _records("a.eml", data)
    _same_in_cuts("a.mbox", data)


def table(data: bytes) -> None:
    """A table is the same in cuts as whole, and can be answered in kind."""
    for name in ("a.csv", "a.tsv"):
        _written("csv", _same_in_cuts(name, data))


def documents(data: bytes) -> None:
    """JSON lines are the same in cuts as whole; JSON is read or refused; either can be spooled."""
    for records in (_same_in_cuts("a.jsonl", data), _records("a.json", data)):
        assert _spooled(records) == list(map(_shown, records))


def manifest(data: bytes) -> None:
    """A manifest is refused with its faults, or opens a bundle."""
    folder = PLACE / "1"
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").touch()
    (folder / "manifest.json").write_bytes(data)
    with contextlib.suppress(BundleError):
        bundles.verify(bundles.open_bundle(folder))


def configuration(data: bytes) -> None:
    """A configuration is refused with its faults, or is one."""
    file = PLACE / "config.toml"
    file.write_bytes(data)
    with contextlib.suppress(ConfigError):
        config.load(file, {})


PROMISES: Mapping[str, Callable[[bytes], None]] = {
    "mail": mail,
    "table": table,
    "json": documents,
    "manifest": manifest,
    "config": configuration,
}


# ---------------------------------------------------------------------- helpers, in the order used


def _records(name: str, data: bytes) -> list[Record]:
    """The records of an input as far as it can be read, each fit to be written."""
    with _source(name, data) as source:
        return _checked(_readable(lambda: readers.choose(KNOWN, source).read(source, None)))


def _same_in_cuts(name: str, data: bytes) -> list[Record]:
    whole = _records(name, data)
    reader = readers.choose(KNOWN, Source(io.BytesIO(data), name))
    assert isinstance(reader, CuttingReader)
    with _source(name, data) as source:
        cuts = list(_readable(lambda: reader.cut(source, CUT_BYTES)))
    found: list[Record] = []
    for cut in cuts:
        with _source(name, data) as source:
            found += _readable(lambda cut=cut, source=source: reader.read(source, cut))
    assert list(map(_shown, found)) == list(map(_shown, whole))
    return whole


@contextlib.contextmanager
def _source(name: str, data: bytes) -> Iterator[Source]:
    with io.BytesIO(data) as stream:
        yield Source(stream, name, None, LIMITS)


def _readable(begin: Callable[[], Iterable[T]]) -> Iterator[T]:
    with contextlib.suppress(UnreadableFile):
        yield from begin()


def _checked(records: Iterable[Record]) -> list[Record]:
    kept = list(records)
    assert [record.index for record in kept] == list(range(len(kept)))
    # Not splitlines(): in JSON lines only a line feed ends one, and a text may hold what else Unicode has.
    for line, record in zip(_written("jsonl", kept).split(b"\n")[:-1], kept, strict=True):
        record.text.encode()
        json.loads(line)
    return kept


def _written(form: str, records: Iterable[Record]) -> bytes:
    stream = io.BytesIO()
    answers = (AnnotatedRecord(f"in/a#{record.index}", "a", record) for record in records)
    WRITERS[form].write(answers, stream, WriteOptions(()))
    return stream.getvalue()


def _spooled(records: list[Record]) -> list[str]:
    stream = io.BytesIO()
    list(spool.write(records, stream, CUT_BYTES))
    stream.seek(0)
    return [_shown(record) for record in spool.SpoolReader().read(Source(stream, "a.spool"), None)]


def _shown(record: Record) -> str:
    """A record so that equal ones are equal: no NaN equals another."""
    fault = (record.error.type, record.error.message) if record.error else None
    row = None if record.row is None else list(record.row.items())
    return json.dumps([record.text, record.index, dict(record.meta), row, fault])
