"""What an outsider counts, inbox by inbox: files and the ledger tell the truth. No daemon need run for that."""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from classifyd.config import Config, CorrectionsInbox, InboxConfig, with_corrections
from classifyd.errors import DiskFault, UnavailableError
from classifyd.inbox.claims import FOLDER
from classifyd.inbox.marks import MARK
from classifyd.inbox.moves import shown
from classifyd.inbox.notes import Note, pauses
from classifyd.inbox.quarantine import REASON_SUFFIX
from classifyd.inbox.scan import Found, discover
from classifyd.ledger import Counts, LedgerView
from classifyd.status.heartbeat import DaemonStatus, read
from classifyd.values import Fault

LEFT_SHOWN = 20
"""Of so many inputs that an inbox leaves in place it is told why; the rest is counted."""


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
class Left:
    """An input that got no answer and stays where it lies, because its inbox moves nothing; and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class InboxStatus:
    """One inbox. `waiting`, `claimed` and `quarantined` count inputs that lie there now, `done` those ever finished.

    `records`, `errors` and `reviews` are sums over all that is done; `fault` says why files could not be counted;
    `paused` who has paused it, and when, whether a daemon runs or not. Where inputs stay in place, `left` are the first
    of those that are quarantined: no reason lies beside them.
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
    paused: Note | None = None
    left: tuple[Left, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """The daemon and its inboxes, in the configuration's order, those of corrections behind all others."""

    daemon: DaemonStatus
    inboxes: tuple[InboxStatus, ...]


def look(config: Config, now: float) -> Status:
    """The status at `now` (epoch seconds). DiskFault if the ledger cannot be read."""
    config = with_corrections(config)
    daemon = read(config.daemon.state, now)
    ledger = config.daemon.state / "ledger.sqlite"
    with _reading(ledger) as view:
        return Status(daemon, _inboxes(config, view, now))


def needed(config: Config, task: str) -> set[int]:
    """The versions of a task that inputs in work are pinned to, or that a daemon serves, whatever is promoted.

    DiskFault if the ledger cannot be read.
    """
    found = {read(config.daemon.state, 0.0).serving.get(task)}
    ledger = config.daemon.state / "ledger.sqlite"
    with _reading(ledger) as view:
        if view is not None:
            found |= {entry.versions.get(task) for entry in view.open_entries()}
    return {version for version in found if version is not None}


@contextmanager
def _reading(ledger: Path) -> Iterator[LedgerView | None]:
    """A view of the ledger; None where no daemon has made one yet."""
    with ExitStack() as closed:
        try:
            yield _opened(ledger, closed)
        except sqlite3.Error as error:
            raise DiskFault(f"{ledger}: {error}; run this as a user who may read it") from error


def _opened(ledger: Path, closed: ExitStack) -> LedgerView | None:
    try:
        return closed.enter_context(closing(LedgerView(ledger)))
    except UnavailableError:
        return None


# ---------------------------------------------------------------------- the inboxes


@dataclass(frozen=True, slots=True)
class _History:
    """What the ledger says: of all times, of the last minute, of the last hour; and what is paused."""

    view: LedgerView | None
    ever: list[Counts]
    minute: list[Counts]
    hour: list[Counts]
    paused: Mapping[str, Note]


def _inboxes(config: Config, view: LedgerView | None, now: float) -> tuple[InboxStatus, ...]:
    ever, minute, hour = (view.counts(since) if view else [] for since in (0.0, now - 60.0, now - 3600.0))
    paused = pauses(config.daemon.state).all()
    history = _History(view, ever, minute, hour, paused)
    return tuple(_inbox(inbox, history, config) for inbox in config.inboxes)


def _inbox(inbox: InboxConfig, history: _History, config: Config) -> InboxStatus:
    states = _of(inbox, history.ever)
    done = states.get("retired", Counts(inbox.name, "retired", 0, 0, 0, 0))
    fault = None
    waiting = claimed = quarantined = 0
    left: list[Left] = []
    closed: list[str] = []
    reasons = history.view.left(inbox.name) if history.view and inbox.take == "leave" else {}
    try:
        for found in discover(inbox.path, recursive=inbox.recursive, closed=lambda folder, _: closed.append(folder)):
            waiting += _waits(inbox, found, history.view)
            reason = _reason(inbox, found, reasons)
            quarantined += reason is not None
            if reason is not None and len(left) < LEFT_SHOWN:
                left.append(Left(shown(found.name), reason))
        waiting += len(closed)  # of what is in them nothing is known
        claimed = _claimed(inbox, history.view)
    except OSError as error:
        # Folders of corrections are made by the daemon, when it first begins.
        if not (isinstance(inbox, CorrectionsInbox) and isinstance(error, FileNotFoundError)):
            fault = f"{error.filename}: {error.strerror}"
    return InboxStatus(
        inbox.name,
        waiting,
        claimed,
        done.inputs,
        _quarantined(inbox, config) if inbox.take == "move" else quarantined,
        done.records,
        done.errors,
        done.reviews,
        _flow(inbox, history.minute, 60.0),
        _flow(inbox, history.hour, 3600.0),
        fault,
        history.paused.get(inbox.name),
        tuple(left),
    )


def _of(inbox: InboxConfig, counts: list[Counts]) -> dict[str, Counts]:
    return {count.state: count for count in counts if count.inbox == inbox.name}


def _waits(inbox: InboxConfig, found: Found, view: LedgerView | None) -> bool:
    if found.unfit:
        return False
    return inbox.take == "move" or view is None or not view.has_seen(inbox.name, found.identity)


def _reason(inbox: InboxConfig, found: Found, reasons: Mapping[str, Fault]) -> str | None:
    """Why something that lies in an inbox which moves nothing gets no answer; None if it may yet get one, or has it."""
    if inbox.take == "move":
        return None
    if found.unfit:
        return f"{shown(found.name)}: {found.unfit}"
    fault = reasons.get(found.identity)
    return fault.message if fault else None


def _claimed(inbox: InboxConfig, view: LedgerView | None) -> int:
    """Inputs that are held: those in the claim folders, or where inputs stay in place those that the ledger holds."""
    if inbox.take == "move":
        return sum(1 for _ in _held(inbox.path / FOLDER))
    return sum(entry.claim.inbox == inbox.name for entry in view.open_entries()) if view else 0


def _held(folder: Path) -> Iterator[str]:
    """Every file of every claim: two folders down, beside the daemons' locks."""
    for place, _, names in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        yield from (name for name in names if depth >= 2 and name != MARK)


def _quarantined(inbox: InboxConfig, config: Config) -> int:
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
