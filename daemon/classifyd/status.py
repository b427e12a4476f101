"""What an outsider sees of the daemon: counts by inbox, rates, what is held. Files and the ledger tell the truth.

Nothing here needs the daemon to run, and nothing holds it up.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from classifyd.config import Config, InboxConfig
from classifyd.errors import DiskFault
from classifyd.inbox.claims import FOLDER
from classifyd.inbox.quarantine import REASON_SUFFIX
from classifyd.inbox.scan import Found, discover
from classifyd.ledger import Counts, LedgerView
from classifyd.workers import NodeLevel

FRESH_SECONDS = 15.0
"""A heartbeat older than this is that of a daemon which died, or hangs."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A version that was promoted but not taken up (None if that could not be read), and why."""

    version: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """How the daemon itself fares. `state` is running, silent (alive, but no heartbeat of late) or stopped.

    `held` maps what makes inputs wait (an inbox, a task, the ledger) to the reason. `serving` are the versions that
    new inputs get, `loading` those that are about to take over, `refused` those that could not, by task. `page` is the
    address of the status page, empty if there is none. `nodes` are those of the cluster that has jobs of this daemon.
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
    nodes: tuple[NodeLevel, ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """What was finished in a stretch of time."""

    seconds: float
    inputs: int = 0
    records: int = 0

    @property
    def records_per_second(self) -> float:
        """The mean rate."""
        return self.records / self.seconds


@dataclass(frozen=True, slots=True)
class InboxStatus:
    """One inbox. `waiting`, `claimed` and `quarantined` count inputs that lie there now, `done` those ever finished.

    `records`, `errors` and `reviews` are sums over all that is done; `fault` says why files could not be counted.
    """

    name: str
    waiting: int
    claimed: int
    done: int
    quarantined: int
    records: int = 0
    errors: int = 0
    reviews: int = 0
    minute: Flow = Flow(60.0)
    hour: Flow = Flow(3600.0)
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """The daemon and its inboxes, in the configuration's order."""

    daemon: DaemonStatus
    inboxes: tuple[InboxStatus, ...]


def look(config: Config, now: float) -> Status:
    """The status at `now` (epoch seconds). DiskFault if the ledger cannot be read."""
    daemon = _daemon(config.daemon.state / "status.json", now)
    ledger = config.daemon.state / "ledger.sqlite"
    if not ledger.exists():
        return Status(daemon, _inboxes(config, None, now))
    with _reading(ledger), closing(LedgerView(ledger)) as view:
        return Status(daemon, _inboxes(config, view, now))


def needed(config: Config, task: str) -> set[int]:
    """The versions of a task that inputs in work are pinned to, or that a daemon serves, whatever is promoted.

    DiskFault if the ledger cannot be read.
    """
    found = {_daemon(config.daemon.state / "status.json", 0.0).serving.get(task)}
    ledger = config.daemon.state / "ledger.sqlite"
    if ledger.exists():
        with _reading(ledger), closing(LedgerView(ledger)) as view:
            found |= {entry.versions.get(task) for entry in view.open_entries()}
    return {version for version in found if version is not None}


@contextmanager
def _reading(ledger: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise DiskFault(f"{ledger}: {error}; run this as a user who may read it") from error


# ---------------------------------------------------------------------- the daemon


def _daemon(path: Path, now: float) -> DaemonStatus:
    try:
        beat = json.loads(path.read_bytes())
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
        tuple(NodeLevel(one["node"], one["actors"], one["jobs"]) for one in beat.get("nodes", ())),
    )


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


# ---------------------------------------------------------------------- the inboxes


@dataclass(frozen=True, slots=True)
class _History:
    """What the ledger says: of all times, of the last minute, of the last hour."""

    view: LedgerView | None
    ever: list[Counts]
    minute: list[Counts]
    hour: list[Counts]


def _inboxes(config: Config, view: LedgerView | None, now: float) -> tuple[InboxStatus, ...]:
    spans = ([view.counts(since) for since in (0.0, now - 60.0, now - 3600.0)]) if view else [[], [], []]
    history = _History(view, *spans)
    return tuple(_inbox(inbox, history, config) for inbox in config.inboxes)


def _inbox(inbox: InboxConfig, history: _History, config: Config) -> InboxStatus:
    states = _of(inbox, history.ever)
    done = states.get("retired", Counts(inbox.name, "retired", 0, 0, 0, 0))
    fault = None
    waiting = claimed = 0
    try:
        waiting = sum(_waits(inbox, found, history.view) for found in discover(inbox.path, recursive=inbox.recursive))
        claimed = _claimed(inbox, history.view)
    except OSError as error:
        fault = f"{error.filename}: {error.strerror}"
    return InboxStatus(
        inbox.name,
        waiting,
        claimed,
        done.inputs,
        _quarantined(inbox, states, config),
        done.records,
        done.errors,
        done.reviews,
        _flow(inbox, history.minute, 60.0),
        _flow(inbox, history.hour, 3600.0),
        fault,
    )


def _of(inbox: InboxConfig, counts: list[Counts]) -> dict[str, Counts]:
    return {count.state: count for count in counts if count.inbox == inbox.name}


def _waits(inbox: InboxConfig, found: Found, view: LedgerView | None) -> bool:
    if not found.regular:
        return False
    return inbox.take == "move" or view is None or not view.has_seen(inbox.name, found.identity)


def _claimed(inbox: InboxConfig, view: LedgerView | None) -> int:
    """Inputs that are held: those in the claim folders, or where inputs stay in place those that the ledger holds."""
    if inbox.take == "move":
        return sum(1 for _ in _held(inbox.path / FOLDER))
    return sum(entry.claim.inbox == inbox.name for entry in view.open_entries()) if view else 0


def _held(folder: Path) -> Iterator[str]:
    """Every file of every claim: two folders down, beside the daemons' locks."""
    for place, _, names in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        yield from (name for name in names if depth >= 2)


def _quarantined(inbox: InboxConfig, states: Mapping[str, Counts], config: Config) -> int:
    if inbox.take == "leave":
        return states["quarantined"].inputs if "quarantined" in states else 0
    shared = sum(other.quarantine == inbox.quarantine for other in config.inboxes) > 1
    reasons = (Path(place, name) for place, _, names in os.walk(inbox.quarantine) for name in names)
    return sum(_is_ours(reason, inbox, shared=shared) for reason in reasons if reason.name.endswith(REASON_SUFFIX))


def _is_ours(reason: Path, inbox: InboxConfig, *, shared: bool) -> bool:
    if not os.path.lexists(str(reason).removesuffix(REASON_SUFFIX)):
        return False  # the reason is written ahead of the move
    if not shared:
        return True
    try:
        return bool(json.loads(reason.read_bytes())["inbox"] == inbox.name)
    except (OSError, ValueError, KeyError):
        return False


def _flow(inbox: InboxConfig, counts: list[Counts], seconds: float) -> Flow:
    done = _of(inbox, counts).get("retired")
    return Flow(seconds, done.inputs, done.records) if done else Flow(seconds)
