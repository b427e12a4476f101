"""What tasks chose on this machine, kept in the state folder: written by the daemon that holds it, read by commands."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from classifyd.disk import fsync_folder
from classifyd.values import Choice

log = structlog.get_logger()

FILE = "choices.json"
KEPT = 100
"""So many choices are remembered, the newest: versions come and go."""


class Choices:
    """The choices of a state folder by the names of what they were made by; of a file that cannot be read, none."""

    def __init__(self, state: Path) -> None:
        self.known: Mapping[str, Choice] = {}
        self._path = state / FILE
        try:
            self.known = _parsed(self._path.read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            why = f"{self._path}: cannot be read: {error}"
            log.warning("choices_unreadable", error=why, consequence="the daemon has its tasks choose again")

    def remember(self, question: str, choice: Choice) -> bool:
        """Keep a choice for good; False, with a line in the log, if it cannot be: then it must not be used either."""
        known = {**{key: value for key, value in self.known.items() if key != question}, question: choice}
        kept = dict(list(known.items())[-KEPT:])
        try:
            _write(self._path, _document(kept))
        except OSError as error:
            why = f"{self._path}: cannot be written: {error.strerror or error}"
            log.warning("choice_not_kept", error=why, consequence="the task does without it until the next start")
            return False
        self.known = kept
        return True


def _document(known: Mapping[str, Choice]) -> bytes:
    choices = {question: {"options": dict(choice.options), "why": choice.why} for question, choice in known.items()}
    return json.dumps({"choices": choices, "sha256": _digest(choices)}, indent=2).encode()


def _parsed(data: bytes) -> dict[str, Choice]:
    document: dict[str, Any] = json.loads(data)
    # Tasks are loaded with what stands here: half a file, or one that somebody mended by hand, is none.
    if document["sha256"] != _digest(document["choices"]):
        raise ValueError("it is not as it was written")
    return {question: Choice(found["options"], found["why"]) for question, found in document["choices"].items()}


def _digest(choices: object) -> str:
    return hashlib.sha256(json.dumps(choices, sort_keys=True).encode()).hexdigest()


def _write(path: Path, data: bytes) -> None:
    draft = path.with_suffix(".tmp")
    with draft.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    fsync_folder(path.parent)
