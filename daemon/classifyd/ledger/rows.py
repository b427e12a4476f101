"""The ledger's tables, and its rows as values."""

import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from classifyd.errors import UnavailableError
from classifyd.jobs import Claim, Suspect
from classifyd.ledger import aging, corrections, notices
from classifyd.reports import PartReport
from classifyd.values import Cut, Fault

_FIRST = """
CREATE TABLE inputs (
    claim TEXT PRIMARY KEY, inbox TEXT NOT NULL, name BLOB NOT NULL, path BLOB NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, identity TEXT, state TEXT NOT NULL, claimed_at REAL NOT NULL, finished_at REAL,
    versions TEXT NOT NULL, split_bytes INTEGER NOT NULL, plan TEXT, output BLOB NOT NULL, part BLOB, digest TEXT,
    records INTEGER NOT NULL DEFAULT 0, errors INTEGER NOT NULL DEFAULT 0, reviews INTEGER NOT NULL DEFAULT 0,
    labels TEXT NOT NULL DEFAULT '{}', fault TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX inputs_by_state ON inputs (state, finished_at);
CREATE UNIQUE INDEX inputs_seen ON inputs (inbox, identity) WHERE identity IS NOT NULL;
CREATE TABLE parts (claim TEXT NOT NULL, number INTEGER NOT NULL, report TEXT NOT NULL,
    PRIMARY KEY (claim, number)) STRICT, WITHOUT ROWID;
CREATE TABLE attempts (claim TEXT NOT NULL, number INTEGER NOT NULL, count INTEGER NOT NULL, last_at REAL NOT NULL,
    PRIMARY KEY (claim, number)) STRICT, WITHOUT ROWID;
CREATE TABLE suspects (claim TEXT NOT NULL, number INTEGER NOT NULL, suspect TEXT NOT NULL) STRICT;
CREATE INDEX suspects_by_claim ON suspects (claim, number);
"""

_COUNTS = "ALTER TABLE inputs ADD COLUMN counts TEXT;"

_STEPS = (_FIRST, corrections.TABLE, aging.TABLE, notices.TABLE, _COUNTS)
"""What makes each schema from the one before it, the first from nothing. Never changed once released, only added to."""

SCHEMA_VERSION = len(_STEPS)

OPEN = ("claimed", "intent", "published", "condemned")
"""The states of inputs that the daemon still has to do with; the others are final."""

INPUT = "SELECT * FROM inputs WHERE claim = ?"
OPEN_INPUTS = f"SELECT * FROM inputs WHERE state IN {OPEN} ORDER BY claimed_at, claim"  # noqa: S608  # constants
SEEN = "SELECT 1 FROM inputs WHERE inbox = ? AND identity = ?"
"""What the daemon asks, and whoever looks at its ledger."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a large input is read: its cuts, the reader they are for, and the file they were spooled to, if any."""

    cuts: tuple[Cut, ...]
    reader: str
    spool: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An input as the ledger knows it. `output` is the output's name below the inbox's output folder."""

    claim: Claim
    state: str
    versions: Mapping[str, int | None]
    split_bytes: int
    output: str
    identity: str | None = None
    plan: Plan | None = None
    part: str | None = None
    digest: str | None = None
    records: int = 0
    errors: int = 0
    reviews: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    finished_at: float | None = None
    place: str | None = None
    """Where the input lies in done, if it went there, and this is known."""


def connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=10)
    db.row_factory = sqlite3.Row
    return db


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring a ledger to the schema of this release, a step at a time; a crash leaves it between two of them."""
    version = version_of(db)
    if version > SCHEMA_VERSION:
        raise UnavailableError(f"{path}: made by a newer classifyd (ledger {version}); run that one, or move it away")
    for number, step in enumerate(_STEPS[version:], version + 1):
        db.executescript(f"BEGIN; {step} PRAGMA user_version = {number}; COMMIT;")


def version_of(db: sqlite3.Connection) -> int:
    """The schema that a ledger has; 0 before it has any."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def dump_plan(plan: Plan) -> str:
    cuts = [[cut.start, cut.end, cut.first, dict(cut.context)] for cut in plan.cuts]
    return json.dumps({"cuts": cuts, "reader": plan.reader, "spool": plan.spool})


def load_plan(text: str) -> Plan:
    found = json.loads(text)
    return Plan(tuple(Cut(*cut) for cut in found["cuts"]), found["reader"], found["spool"])


def dump_report(report: PartReport) -> str:
    fields: dict[str, Any] = {name: getattr(report, name) for name in PartReport.__slots__ if name != "fault"}
    fields["labels"] = dict(report.labels)
    for name in ("counts", "doubts"):
        fields[name] = {task: dict(counts) for task, counts in getattr(report, name).items()}
    return json.dumps(fields)


def entry_of(row: sqlite3.Row) -> Entry:
    claim = Claim(
        row["claim"],
        row["inbox"],
        os.fsdecode(row["name"]),
        os.fsdecode(row["path"]),
        row["size"],
        row["mtime_ns"],
        row["claimed_at"],
    )
    return Entry(
        claim,
        row["state"],
        json.loads(row["versions"]),
        row["split_bytes"],
        os.fsdecode(row["output"]),
        row["identity"],
        load_plan(row["plan"]) if row["plan"] else None,
        os.fsdecode(row["part"]) if row["part"] else None,
        row["digest"],
        row["records"],
        row["errors"],
        row["reviews"],
        json.loads(row["labels"]),
        Fault(*json.loads(row["fault"])) if row["fault"] else None,
        row["finished_at"],
        os.fsdecode(row["place"]) if "place" in row.keys() and row["place"] else None,  # noqa: SIM118  # rows are no dicts
    )


def origin(db: sqlite3.Connection, inbox: str, name: str, size: int, mtime_ns: int) -> Entry | None:
    """The finished input of an inbox that had a file's size and time, and best its name; None if there is none."""
    query = (
        "SELECT * FROM inputs WHERE size = ? AND mtime_ns = ? AND inbox = ? AND state = 'retired'"
        " ORDER BY finished_at DESC"
    )
    found = [entry_of(row) for row in db.execute(query, (size, mtime_ns, inbox))]
    return max(found, key=lambda entry: PurePath(entry.claim.name).name == name, default=None)


def attempts(db: sqlite3.Connection, claim: str) -> dict[int, int]:
    """How often each split of an unfinished input was given to a worker."""
    return {
        row["number"]: row["count"]
        for row in db.execute("SELECT number, count FROM attempts WHERE claim = ?", (claim,))
    }


def suspects(db: sqlite3.Connection, claim: str) -> dict[int, tuple[Suspect, ...]]:
    """The suspect records of each split of an unfinished input."""
    found: dict[int, tuple[Suspect, ...]] = {}
    for row in db.execute("SELECT number, suspect FROM suspects WHERE claim = ? ORDER BY number", (claim,)):
        found[row["number"]] = (*found.get(row["number"], ()), Suspect(**json.loads(row["suspect"])))
    return found


def counts_of(row: sqlite3.Row) -> PartReport:
    """What an input came to. Of one from before labels were counted those of a single record are known."""
    labels = _read(row["labels"])
    counts = _read(row["counts"]) if row["counts"] else {task: {label: 1} for task, label in labels.items()}
    return PartReport(row["claim"], 0, row["records"], row["errors"], row["reviews"], labels=labels, counts=counts)


@lru_cache(maxsize=256)
def _read(text: str) -> Mapping[str, Any]:
    """A million mails an hour come to the same few counts."""
    found: Mapping[str, Any] = json.loads(text)
    return found
