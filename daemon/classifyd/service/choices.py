"""What tasks chose on this machine, kept in the state folder: written by the daemon that holds it, read by commands."""

from collections.abc import Mapping
from pathlib import Path

import structlog

from classifyd.service import sealed
from classifyd.values import Choice

log = structlog.get_logger()

FILE = "choices.json"
NAME = "choices"
KEPT = 100
"""So many choices are remembered, the newest: versions come and go."""


class Choices:
    """The choices of a state folder by the names of what they were made by; of a file that cannot be read, none."""

    def __init__(self, state: Path) -> None:
        self.known: Mapping[str, Choice] = {}
        self._path = state / FILE
        try:
            told = sealed.read(self._path, NAME)
            self.known = {question: Choice(found["options"], found["why"]) for question, found in told.items()}
        except FileNotFoundError:
            pass
        except sealed.UNREADABLE as error:
            why = f"{self._path}: cannot be read: {error}"
            log.warning("choices_unreadable", error=why, consequence="the daemon has its tasks choose again")

    def remember(self, question: str, choice: Choice) -> bool:
        """Keep a choice for good; False, with a line in the log, if it cannot be: then it must not be used either."""
        known = {**{key: value for key, value in self.known.items() if key != question}, question: choice}
        kept = dict(list(known.items())[-KEPT:])
        try:
            told = {question: {"options": dict(one.options), "why": one.why} for question, one in kept.items()}
            sealed.write(self._path, NAME, told)
        except OSError as error:
            why = f"{self._path}: cannot be written: {error.strerror or error}"
            log.warning("choice_not_kept", error=why, consequence="the task does without it until the next start")
            return False
        self.known = kept
        return True
