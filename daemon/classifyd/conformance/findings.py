"""What is asked of a conformance test, and what it finds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from classifyd.values import EMPTY

Verdict = Literal["passed", "noted", "failed", "skipped"]
"""Noted: no promise is broken, but an author would want to know. Skipped: it could not be tried here."""


@dataclass(frozen=True, slots=True)
class Request:
    """Which plugin to try (entry points by name, of one distribution), and what it may use.

    `models` is the folder of bundles; `options` are the tasks' sections of the configuration. `samples` are inputs for
    its readers. `load_seconds`, `record_seconds` and `memory_bytes` are what a worker would have.
    """

    points: tuple[str, ...]
    distribution: str
    models: Path
    options: Mapping[str, Mapping[str, Any]] = EMPTY
    samples: tuple[Path, ...] = ()
    load_seconds: float = 120.0
    record_seconds: float = 0.5
    memory_bytes: int | None = None
    threads: int = 1
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one thing that a plugin offers, how it went, and a sentence on that."""

    subject: str
    check: str
    verdict: Verdict
    said: str = ""
    seconds: float = 0.0


class Failed(Exception):  # not an error: it is what a check says
    """A promise is broken."""


class Noted(Exception):  # likewise
    """Nothing is broken, but this is worth knowing."""


class Skipped(Exception):  # likewise
    """It could not be tried."""
