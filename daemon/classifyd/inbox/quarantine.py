"""Quarantine: an input that could not be processed, with a file beside it that says why."""

import json
import os
import shlex
from datetime import UTC, datetime
from pathlib import Path

from classifyd.disk import rewrite
from classifyd.inbox.moves import fitted, move, shown
from classifyd.inbox.scan import too_long
from classifyd.logs import escaped
from classifyd.values import Fault

REASON_SUFFIX = ".reason.json"
LEFT = "left where it is"
"""What the log has as the place of an input in an inbox that moves nothing."""


def quarantine(
    path: str, folder: Path, name: str, inbox: str, fault: Fault, *, below: Path | None = None, across: bool = True
) -> Path:
    """Move a file into quarantine, its reason written first; where it lies now. See `move` for `below` and `across`.

    A path that is too long for an input's becomes one name.
    """

    def write_reason(place: Path) -> None:
        reason = {
            "schema": "classifyd-reason/1",
            "name": shown(str(place.relative_to(folder))),
            "inbox": inbox,
            "path": shown(name),
            "path_hex": os.fsencode(name).hex(),
            "type": fault.type,
            "reason": escaped(fault.message),  # people read it on terminals
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "retry": retry_command(place.name),
        }
        beside = reason_file(place)
        if os.path.lexists(beside) and not _is_ours(beside, reason["path_hex"]):
            raise FileExistsError(beside)  # an input of that very name was quarantined here
        # On the disk before the file is moved: else a power cut might leave it without its reason.
        rewrite(beside, json.dumps(reason, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace"))

    return move(path, folder, quarantine_name(name), below=below, before=write_reason, across=across)


def quarantine_name(name: str) -> str:
    """What an input is called below the quarantine folder, if that is free: its reason's name must fit, too."""
    head, tail = os.path.split(name.replace("/", "%2F") if too_long(name) else name)
    # Some room more for the number that a taken name gets.
    return os.path.join(head, fitted(tail, len(REASON_SUFFIX) + 8))  # noqa: PTH118  # names may not be UTF-8


def retry_command(name: str) -> str:
    """What puts an input back, to be copied into a shell, whatever it is called."""
    return f"classifyd retry {'-- ' * name.startswith('-')}{shlex.quote(shown(name))}"


def reason_file(place: Path) -> Path:
    """Where the reason of a quarantined file lies."""
    return place.with_name(place.name + REASON_SUFFIX)


def _is_ours(reason: Path, path_hex: str) -> bool:
    """Whether a reason without its file was written for this input, before a crash.

    A file with a reason of its own is an input that was called like one.
    """
    if reason.is_symlink() or os.path.lexists(reason_file(reason)):
        return False
    try:
        return bool(json.loads(reason.read_bytes())["path_hex"] == path_hex)
    except (OSError, ValueError, KeyError, TypeError):
        return False
