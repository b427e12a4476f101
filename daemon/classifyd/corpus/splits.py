"""What there is to label of a corpus: files, large ones cut into ranges, each with a name for its answer."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Self

from classifyd.errors import UsageError
from classifyd.inbox.moves import shown
from classifyd.inbox.scan import discover
from classifyd.service.clashes import refuse_shared
from classifyd.service.work import answer_format, output_name
from classifyd.training import urls
from classifyd.values import Cut

LARGE_BYTES = 64 * 2**20
"""A local file above this is cut into ranges of about as much."""

Ranges = Callable[[str, str], tuple[str, tuple[Cut, ...]]]
"""The reader and the ranges of a file, by path and name; none if it must be read as a whole."""


@dataclass(frozen=True, slots=True)
class Portion:
    """A file, or a range of one. `source` is a path or a URL, `stamp` changes with its content, `output` its answer."""

    source: str
    name: str
    size: int
    stamp: str
    output: str
    reader: str = ""
    cut: Cut | None = None

    def digest(self, plan: str) -> str:
        """Names the portion, as it is now and under a plan: the same again after a restart, another after a change."""
        return hashlib.sha256(json.dumps([plan, self.text()]).encode()).hexdigest()[:32]

    def text(self) -> str:
        """All of it as text, for an actor."""
        return json.dumps(asdict(self), default=dict)

    @classmethod
    def of(cls, text: str) -> Self:
        """What `text` gave."""
        fields: dict[str, Any] = json.loads(text)
        cut = fields.pop("cut")
        return cls(**fields, cut=Cut(**cut) if cut else None)


def portions(sources: Iterable[str], written: str, ranges: Ranges) -> list[Portion]:
    """Every portion, in order. UsageError for what is not there, or where two would get one name for their answers.

    `written` is the format of the answers, or "same".
    """
    found = list(_all(sources, written, ranges))
    refuse_shared((portion.source, portion.output) for portion in found)
    return found


def _all(sources: Iterable[str], written: str, ranges: Ranges) -> Iterator[Portion]:
    for source in sources:
        if urls.is_url(source):
            for one in urls.listed(source):
                yield _whole(one.url, one.name, one.size, one.stamp, written)
            continue
        root = Path(urls.as_path(source)).absolute()
        if not root.exists():
            raise UsageError(f"{shown(source)}: there is no such file or folder")
        for path, name in _files(root):
            status = path.stat()
            whole = _whole(str(path), name, status.st_size, str(status.st_mtime_ns), written)
            yield from _ranges(whole, ranges) if status.st_size > LARGE_BYTES else (whole,)


def _files(root: Path) -> Iterator[tuple[Path, str]]:
    if not root.is_dir():
        yield Path(os.path.realpath(root)), root.name
        return

    def closed(folder: str, error: PermissionError) -> None:
        raise UsageError(f"{shown(str(root / folder))}: {error.strerror}; its files would be left out")

    for found in sorted(discover(root, recursive=True, closed=closed), key=lambda found: found.name):
        if found.regular:
            yield root / found.name, found.name


def _whole(source: str, name: str, size: int, stamp: str, written: str) -> Portion:
    return Portion(source, name, size, stamp, output_name(name, answer_format(written, name)))


def _ranges(whole: Portion, ranges: Ranges) -> Iterator[Portion]:
    reader, cuts = ranges(whole.source, whole.name)
    if len(cuts) < 2:
        yield whole
        return
    output = PurePosixPath(whole.output)
    for number, cut in enumerate(cuts):
        name = str(output.with_name(f"{output.stem}.{number:05}{output.suffix}"))
        yield replace(whole, size=whole.size // len(cuts), output=name, reader=reader, cut=cut)
