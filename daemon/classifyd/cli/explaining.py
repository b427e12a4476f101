"""Finding a record again, by its id or by a file: what it was, what was said of it, and by which versions."""

import itertools
import json
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifyd.cli.unanswered import fate
from classifyd.config import DELETE, Config, InboxConfig
from classifyd.config.sentences import nearest
from classifyd.errors import ClassifydError, DiskFault, UnavailableError, UsageError
from classifyd.inbox.claims import unchanged
from classifyd.inbox.moves import shown
from classifyd.inbox.scan import look
from classifyd.ledger import Entry, LedgerView
from classifyd.pipeline.sources import opened, pick_reader
from classifyd.plugins import Registry
from classifyd.reports import PartReport
from classifyd.service.places import done_folder, lying
from classifyd.values import ReadOptions, Record

_NUMBERED = re.compile(r"(?P<what>.+)#(?P<index>[0-9]{1,18})", re.DOTALL)
_MODEL = re.compile(r"(?P<task>[a-z][a-z0-9_]*)@(?P<version>[0-9]+)")


@dataclass(frozen=True, slots=True)
class Answered:
    """A record of an output. `versions` are those of the tasks that answered it; `said` is the output's own document.

    `entry` is None where the ledger does not know the input any more, `said` where the output is gone, or is no JSON
    Lines, and `output` says where it was put.
    """

    id: str
    inbox: InboxConfig
    index: int
    output: Path
    versions: Mapping[str, int | None]
    entry: Entry | None
    said: Mapping[str, Any] | None


def find(name: str, config: Config) -> Answered:
    """The record that goes by an id, or by the path of an output or of an input in done, with `#` and its number.

    UsageError if there is none, UnavailableError where nothing is known of it any more.
    """
    numbered = _NUMBERED.fullmatch(name)
    what, index = (numbered["what"], int(numbered["index"])) if numbered else (name, 0)
    if os.path.lexists(what):
        inbox, output, entry = _by_path(Path(os.path.abspath(what)), config)  # noqa: PTH100  # links are not followed
    elif numbered or what.partition("/")[0] in {inbox.name for inbox in config.inboxes}:
        inbox, output, entry = _by_id(what, config)
    else:
        example = f"{config.inboxes[0].name}/a.txt.jsonl#0" if config.inboxes else "mail/a.txt.jsonl#0"
        raise UsageError(
            f'{name}: no such file, and no id of a record; an id stands in its output and looks like "{example}"'
        )
    said = _said(inbox.output / output, index)
    versions = entry.versions if entry else _versions(said)
    if not versions:
        raise UnavailableError(
            f"{name}: neither the ledger nor the output {inbox.output / output} says which models answered it; label"
            " the input again with: classifyd label FILE"
        )
    identity = f"{inbox.name}/{shown(output)}#{index}"
    return Answered(identity, inbox, index, inbox.output / output, versions, entry, said)


def record_of(found: Answered, registry: Registry, source: Path | None) -> tuple[Record, str]:
    """The record as it was read, and where it was found: in `source`, else in its input, else in the output.

    UnavailableError if it is in none of them.
    """
    place = source or _input(found)
    if place is not None:
        return _read(found, place, registry), str(place)
    if found.said is not None and isinstance(found.said.get("text"), str):
        meta = found.said.get("meta")
        return Record(found.said["text"], found.index, meta if isinstance(meta, dict) else {}), str(found.output)
    why = "was deleted, as its inbox says" if found.inbox.done == DELETE else "is not where it was put any more"
    raise UnavailableError(
        f"{found.id}: its input {why}, and the output does not hold its text; if you have the input, name it with:"
        " --source FILE"
    )


# ---------------------------------------------------------------------- which one it is


def _by_id(what: str, config: Config) -> tuple[InboxConfig, str, Entry | None]:
    name, _, output = what.partition("/")
    known = {inbox.name: inbox for inbox in config.inboxes}
    if name not in known or not output:
        raise UsageError(f"{what}: an id begins with the name of an inbox and a slash.{nearest(name, list(known))}")
    inbox = known[name]
    with _ledger(config) as view:
        entry = view.by_output(name, output) if view else None
        if view and entry is None:  # an id has names as people can read them
            written = next((one for one in view.outputs(name) if shown(one) == output), None)
            entry = view.by_output(name, written) if written is not None else None
        if view and entry is None:
            entry = _answered(view, inbox, output)
    if entry is None and not _inside(inbox.output / output, inbox.output):
        raise UsageError(f"{what}: neither the ledger nor {inbox.output} knows it; is it of this configuration?")
    return inbox, entry.output if entry else output, entry


def _by_path(path: Path, config: Config) -> tuple[InboxConfig, str, Entry | None]:
    with _ledger(config) as view:
        entry = view.by_place(str(path)) if view else None
        for inbox in config.inboxes:
            if entry is not None and entry.claim.inbox == inbox.name:
                return inbox, entry.output, entry
            if path.is_relative_to(inbox.output) and path != inbox.output:
                output = str(path.relative_to(inbox.output))
                return inbox, output, view.by_output(inbox.name, output) if view else None
            waiting = _elsewhere(view, inbox, path) if view else None
            if waiting is not None:
                return inbox, waiting.output, waiting
    raise UsageError(f"{path}: is neither an output of this configuration nor an input that the ledger knows")


def _elsewhere(view: LedgerView, inbox: InboxConfig, path: Path) -> Entry | None:
    """An input that waits for review; UnavailableError tells of one that lies in its inbox or in quarantine."""
    for folder in (inbox.review, inbox.quarantine, inbox.path):
        if folder is not None and path.is_relative_to(folder) and path != folder:
            return _answered(view, inbox, str(path.relative_to(folder)))
    return None


def _answered(view: LedgerView, inbox: InboxConfig, name: str) -> Entry | None:
    """An answered input by its own name. UnavailableError tells what became of one that has no answer."""
    entry = view.newest_named(inbox.name, name)
    if entry is not None and entry.state != "retired":
        raise UnavailableError(fate(entry, inbox, view))
    if entry is None and _inside(inbox.path / name, inbox.path):
        raise UnavailableError(f"{inbox.name}/{shown(name)}: waits in the inbox; see: classifyd status")
    return entry


class _ledger:  # noqa: N801  # used as a function
    """The ledger while it is looked at; None if there is none. DiskFault if it cannot be read."""

    def __init__(self, config: Config) -> None:
        self._path = config.daemon.state / "ledger.sqlite"
        self._view: LedgerView | None = None

    def __enter__(self) -> LedgerView | None:
        self._view = LedgerView(self._path) if self._path.exists() else None
        return self._view

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._view is not None:
            self._view.close()
        if isinstance(error, sqlite3.Error):
            raise DiskFault(f"{self._path}: {error}; run this as a user who may read it") from error


def _inside(path: Path, folder: Path) -> bool:
    return ".." not in path.parts and path.is_relative_to(folder) and os.path.lexists(path)


def _said(output: Path, index: int) -> Mapping[str, Any] | None:
    """What an output in JSON Lines says of one of its records."""
    try:
        with output.open("rb") as file:
            for line in itertools.islice(file, index, None):
                said = json.loads(line)
                return said if isinstance(said, dict) and said.get("index") == index else None
    except (OSError, ValueError):
        return None
    return None


def _versions(said: Mapping[str, Any] | None) -> dict[str, int | None]:
    answers = said.get("annotations") if said else None
    models = {task: _MODEL.fullmatch(str(answer.get("model"))) for task, answer in (answers or {}).items()}
    return {task: int(model["version"]) if model else None for task, model in models.items()}


# ---------------------------------------------------------------------- what it was


def _input(found: Answered) -> Path | None:
    """Where the input lies now, unchanged; None if it does not, or that is not known."""
    entry, inbox = found.entry, found.inbox
    if entry is None:
        return None
    places = (Path(place) for place in (entry.place, entry.claim.path) if place)
    for place in itertools.chain(places, _guesses(entry, inbox)):
        now = look(str(place), entry.claim.name)
        if now is not None and unchanged(now, entry.claim):
            return place
    return None


def _guesses(entry: Entry, inbox: InboxConfig) -> Iterator[Path]:
    """Where it lies if it waits for review, or went to done under a release that did not note where."""
    total = PartReport(entry.claim.id, 0, entry.records, labels=entry.labels)
    folders = [inbox.review] if inbox.review else []
    folders += [done_folder(inbox.done, total)] if inbox.done != DELETE else []
    for folder in folders:
        place = lying(entry.claim, folder, entry.claim.name)
        if place is not None:
            yield place


def _read(found: Answered, place: Path, registry: Registry) -> Record:
    name = found.entry.claim.name if found.entry else place.name
    reading = ReadOptions(found.inbox.text_field, found.inbox.limits)
    count = 0
    with opened(str(place), name, reading) as source:
        for record in pick_reader(registry.readers, "", source).read(source, None):
            if record.index == found.index:
                if record.error:
                    raise ClassifydError(f"{found.id}: no task was asked about it: {record.error.message}")
                return record
            count += 1
    raise UsageError(f"{place}: has {count:,} records, and none of the number {found.index:,}; they count from 0")
