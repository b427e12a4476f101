"""`classifyd retry`: quarantined inputs go back into their inboxes."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from classifyd.cli.options import ConfigOption, load_settings
from classifyd.errors import ClassifydError

if TYPE_CHECKING:
    from classifyd.config import InboxConfig

ORPHAN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An input in quarantine: where it lies, its reason file, and the name it had below its inbox.

    `names` are those by which people may call it.
    """

    inbox: "InboxConfig"
    place: Path
    reason: Path
    name: str
    names: frozenset[str]


def retry(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="As in the reason files; else all.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Move quarantined inputs back into their inboxes, to be tried again. Nothing is overwritten.

    Example: [bold]classifyd retry a.eml[/bold]
    """
    from classifyd.cli.screen import complain, line, say
    from classifyd.config import watched
    from classifyd.inbox.moves import shown

    settings = load_settings(config)
    found = list(_quarantined(watched(settings.inboxes, settings.daemon.state)))
    wanted = [item for item in found if not names or not item.names.isdisjoint(names)]
    known = frozenset[str]().union(*(item.names for item in found))
    unknown = [name for name in names or () if name not in known]
    for name in unknown:
        complain(f"{name}: not in quarantine; see the .reason.json files there, or: classifyd status")
    failed = 0
    for item in wanted:
        try:
            place = _put_back(item)
        except OSError as error:
            failed += 1
            complain(line(f"{shown(item.name)}: {error.strerror}: {error.filename}; left in quarantine"))
        else:
            say(f"{shown(item.name)}: back in inbox {item.inbox.name} as {shown(str(place))}")
    if not wanted and not unknown:
        say("nothing in quarantine")
    if failed or unknown:
        raise typer.Exit(1)


def _quarantined(inboxes: "tuple[InboxConfig, ...]") -> Iterator[Quarantined]:
    for folder in dict.fromkeys(inbox.quarantine for inbox in inboxes):
        here = [inbox for inbox in inboxes if inbox.quarantine == folder]
        for reason in _reasons(folder):
            item = _read(reason, folder, here)
            if item is not None:
                yield item


def _reasons(folder: Path) -> Iterator[Path]:
    from classifyd.inbox.quarantine import REASON_SUFFIX

    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in sorted(names) if name.endswith(REASON_SUFFIX))


def _read(reason: Path, folder: Path, inboxes: "list[InboxConfig]") -> Quarantined | None:
    """What a reason file is about; None if its input is gone (moved away by hand, or by a retry that was killed).

    None also for an input that is called like a reason file, which has one of its own.
    """
    from classifyd.inbox.moves import shown
    from classifyd.inbox.quarantine import REASON_SUFFIX, reason_file

    if os.path.lexists(reason_file(reason)):
        return None
    place = Path(str(reason).removesuffix(REASON_SUFFIX))
    if not os.path.lexists(place):
        _remove_orphan(reason)
        return None
    said = _document(reason)
    inbox = next((inbox for inbox in inboxes if inbox.name == said.get("inbox")), inboxes[0])
    below = str(place.relative_to(folder))
    name = _original(said) or below
    return Quarantined(
        inbox, place, reason, name, frozenset({shown(below), shown(place.name), shown(name), below, place.name, name})
    )


def _document(reason: Path) -> dict[str, Any]:
    try:
        said = json.loads(reason.read_bytes())
    except (OSError, ValueError):
        return {}  # the input's own place says enough
    return said if isinstance(said, dict) else {}


def _original(said: dict[str, Any]) -> str | None:
    """The name below the inbox, if the reason file holds one that leads nowhere else."""
    try:
        name = os.fsdecode(bytes.fromhex(said["path_hex"]))
    except (KeyError, TypeError, ValueError):
        return None
    parts = Path(name).parts
    return name if parts and not Path(name).is_absolute() and ".." not in parts and "\0" not in name else None


def _remove_orphan(reason: Path) -> None:
    # A daemon writes the reason ahead of the move: a fresh one may still get its input.
    try:
        if time.time() - reason.stat().st_mtime > ORPHAN_SECONDS:
            reason.unlink()
    except OSError:
        return


def _put_back(item: Quarantined) -> Path:
    """Move the input back, then remove its reason: after a crash there is a reason too many, no input too few."""
    from classifyd.inbox.moves import move

    if not item.inbox.path.is_dir():
        raise ClassifydError(f"inbox {item.inbox.name}: {item.inbox.path} is missing; make the folder first")
    place = move(str(item.place), item.inbox.path, item.name)
    item.reason.unlink(missing_ok=True)
    return place
