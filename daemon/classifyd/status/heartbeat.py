"""The heartbeat: what a daemon writes of itself once a second, as an outsider reads it."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from classifyd.drift import Drift, Parting
from classifyd.progress import Progress
from classifyd.workers import NodeLevel

FILE = "status.json"
FRESH_SECONDS = 15.0
"""A heartbeat older than this is that of a daemon which died, or hangs."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A version that was promoted but not taken up (None if that could not be read), and why."""

    version: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """How many notices wait for a receiver, and why it did not take the last one; empty if it did."""

    count: int
    error: str


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """How the daemon itself fares. `state` is running, silent (alive, but no heartbeat of late) or stopped.

    `held` maps what makes inputs wait (an inbox, a task, the ledger) to the reason. `serving` are the versions that
    new inputs get, `loading` those that are about to take over, `refused` those that could not, by task. `page` is the
    address of the status page, empty if there is none. `progress` has the large inputs in work, the first of them.
    `unmet` is what the configuration asks for that is not done, and why. `drift` is how far the answers of those that
    serve have parted from their baselines. `nodes` are those of the cluster that has jobs of this daemon.
    """

    state: str
    pid: int | None = None
    started_at: float | None = None
    busy_workers: int = 0
    waiting_splits: int = 0
    bytes_per_second: float = 0.0
    held: Mapping[str, str] = field(default_factory=dict)
    serving: Mapping[str, int | None] = field(default_factory=dict)
    loading: Mapping[str, int | None] = field(default_factory=dict)
    refused: Mapping[str, Refused] = field(default_factory=dict)
    page: str = ""
    progress: tuple[Progress, ...] = ()
    unmet: Mapping[str, str] = field(default_factory=dict)
    receivers: Mapping[str, Receiver] = field(default_factory=dict)
    drift: Mapping[str, Drift] = field(default_factory=dict)
    nodes: tuple[NodeLevel, ...] = ()


def read(state: Path, now: float) -> DaemonStatus:
    """How the daemon of a state folder fares at `now` (epoch seconds)."""
    try:
        beat = json.loads((state / FILE).read_bytes())
    except (OSError, ValueError):
        return DaemonStatus("stopped")
    # Another version's heartbeat may hold less: what it says is shown, what it does not is left out.
    if not isinstance(beat, dict) or not _alive(beat.get("pid")):
        return DaemonStatus("stopped")
    return DaemonStatus(
        "running" if now - beat.get("at", 0) < FRESH_SECONDS else "silent",
        beat["pid"],
        beat.get("started_at"),
        beat.get("busy_workers", 0),
        beat.get("waiting_splits", 0),
        beat.get("bytes_per_second", 0.0),
        {str(name): str(reason) for name, reason in beat.get("held", {}).items()},
        beat.get("serving", {}),
        beat.get("loading", {}),
        {task: Refused(one["version"], one["reason"]) for task, one in beat.get("refused", {}).items()},
        beat.get("page", ""),
        tuple(_progress(beat.get("progress", ()))),
        {str(what): str(why) for what, why in beat.get("unmet", {}).items()},
        {name: Receiver(one["count"], one["error"]) for name, one in beat.get("receivers", {}).items()},
        {task: _drift(one) for task, one in beat.get("drift", {}).items()},
        tuple(NodeLevel(one["node"], one["actors"], one["jobs"]) for one in beat.get("nodes", ())),
    )


def _progress(found: Iterable[Mapping[str, Any]]) -> Iterator[Progress]:
    for one in found:
        if {"inbox", "file", "claim", "stage", "size"} <= one.keys():
            yield Progress(**{name: value for name, value in one.items() if name in Progress.__slots__})


def _drift(told: Mapping[str, Any]) -> Drift:
    partings = tuple(Parting(**one) for one in told["partings"])
    return Drift(told["version"], told["records"], tuple(told["known"]), partings, told["warned"])


def _alive(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True
