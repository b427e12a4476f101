"""The durable history of every input: SQLite in WAL mode, every commit on the disk, one writer: the daemon.

An input's row goes claimed -> intent -> published -> retired, or claimed -> condemned -> quarantined. An intent says
what is about to get which name; a condemnation, what is about to be quarantined and why. Both are committed before the
file system is touched, so that a restart knows how to finish what it finds half done.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from classifyd.errors import DiskFault, UnavailableError
from classifyd.jobs import Claim, PartReport, Suspect
from classifyd.values import Cut, Fault

SCHEMA_VERSION = 1

_SCHEMA = """
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

OPEN = ("claimed", "intent", "published", "condemned")
"""The states of inputs that the daemon still has to do with; the others are final."""


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


class Ledger:
    """The daemon's own connection. Methods that change something are to be called inside `with ledger.commit():`."""

    def __init__(self, path: Path) -> None:
        self._db = _connect(path)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        _migrate(self._db, path)

    def close(self) -> None:
        """Close the connection; what was committed is on the disk."""
        self._db.close()

    @contextmanager
    def commit(self) -> Iterator[None]:
        """One transaction: its changes are on the disk when it ends, or none are made and DiskFault is raised."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._roll_back()
            raise DiskFault(f"the ledger cannot be written: {error}; free the disk or mend the folder") from error
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    # ------------------------------------------------------------------ transitions

    def claimed(self, entry: Entry) -> None:
        """A new input is held; its identity is remembered for good where inputs stay in place."""
        claim = entry.claim
        self._db.execute(
            "INSERT OR REPLACE INTO inputs (claim, inbox, name, path, size, mtime_ns, identity, state, claimed_at,"
            " versions, split_bytes, output) VALUES (?, ?, ?, ?, ?, ?, ?, 'claimed', ?, ?, ?, ?)",
            (
                claim.id,
                claim.inbox,
                os.fsencode(claim.name),
                os.fsencode(claim.path),
                claim.size,
                claim.mtime_ns,
                entry.identity,
                claim.claimed_at,
                json.dumps(dict(entry.versions)),
                entry.split_bytes,
                os.fsencode(entry.output),
            ),
        )

    def planned(self, claim: str, plan: Plan) -> None:
        """A large input's cuts are settled: a restart finds the same parts again."""
        self._db.execute("UPDATE inputs SET plan = ? WHERE claim = ?", (_dump_plan(plan), claim))

    def attempted(self, splits: Iterable[tuple[str, int]], at: float) -> None:
        """These splits are about to be given to a worker."""
        self._db.executemany(
            "INSERT INTO attempts VALUES (?, ?, 1, ?) ON CONFLICT DO UPDATE SET count = count + 1, last_at = ?",
            [(claim, number, at, at) for claim, number in splits],
        )

    def suspected(self, claim: str, number: int, suspects: Sequence[Suspect]) -> None:
        """These are now the split's suspect records, in place of the earlier ones."""
        self._db.execute("DELETE FROM suspects WHERE claim = ? AND number = ?", (claim, number))
        rows = [(claim, number, json.dumps(asdict(suspect))) for suspect in suspects]
        self._db.executemany("INSERT INTO suspects VALUES (?, ?, ?)", rows)

    def finished_parts(self, reports: Iterable[PartReport]) -> None:
        """These parts are whole and on the disk."""
        rows = [(report.claim, report.number, _dump_report(report)) for report in reports]
        self._db.executemany("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", rows)

    def intend(self, claim: str, part: str, total: PartReport) -> None:
        """The file `part` is about to get the output's name; `total` counts the whole input."""
        self._db.execute(
            "UPDATE inputs SET state = 'intent', part = ?, digest = ?, records = ?, errors = ?, reviews = ?, labels = ?"
            " WHERE claim = ?",
            (
                os.fsencode(part),
                total.digest,
                total.records,
                total.errors,
                total.reviews,
                json.dumps(dict(total.labels)),
                claim,
            ),
        )

    def published(self, claim: str) -> None:
        """The output has its name, and its folder is on the disk."""
        self._state(claim, "published")

    def retired(self, claim: str, at: float) -> None:
        """The input has been moved or deleted; nothing is left to do."""
        self._finish(claim, "retired", at)

    def condemned(self, claim: str, fault: Fault) -> None:
        """The input is about to be quarantined."""
        fields = (json.dumps([fault.type, fault.message]), claim)
        self._db.execute("UPDATE inputs SET state = 'condemned', fault = ? WHERE claim = ?", fields)

    def quarantined(self, claim: str, at: float) -> None:
        """The input lies in quarantine, its reason beside it."""
        self._finish(claim, "quarantined", at)

    def vanished(self, claim: str, at: float) -> None:
        """The input was taken away by somebody else while it was claimed."""
        self._finish(claim, "vanished", at)

    def restart(self, claim: Claim, output: str) -> None:
        """Begin an input anew, as it is now and under this output name: its parts no longer count."""
        self._forget_work(claim.id)
        self._db.execute(
            "UPDATE inputs SET state = 'claimed', size = ?, mtime_ns = ?, output = ?, plan = NULL, part = NULL"
            " WHERE claim = ?",
            (claim.size, claim.mtime_ns, os.fsencode(output), claim.id),
        )

    def _state(self, claim: str, state: str) -> None:
        self._db.execute("UPDATE inputs SET state = ? WHERE claim = ?", (state, claim))

    def _finish(self, claim: str, state: str, at: float) -> None:
        self._forget_work(claim)
        # The plan of a large input may hold thousands of cuts, of no use any more.
        self._db.execute(
            "UPDATE inputs SET state = ?, finished_at = ?, plan = NULL WHERE claim = ?", (state, at, claim)
        )

    def _forget_work(self, claim: str) -> None:
        for table in ("parts", "attempts", "suspects"):
            self._db.execute(f"DELETE FROM {table} WHERE claim = ?", (claim,))  # noqa: S608  # names are our own

    # ------------------------------------------------------------------ questions

    def entry(self, claim: str) -> Entry | None:
        """An input by its claim; None if the ledger does not know it."""
        row = self._db.execute("SELECT * FROM inputs WHERE claim = ?", (claim,)).fetchone()
        return _entry(row) if row else None

    def open_entries(self) -> list[Entry]:
        """Every input that is not finished, oldest claim first."""
        marks = ", ".join("?" * len(OPEN))
        query = f"SELECT * FROM inputs WHERE state IN ({marks}) ORDER BY claimed_at, claim"  # noqa: S608  # marks only
        return [_entry(row) for row in self._db.execute(query, OPEN)]

    def has_seen(self, inbox: str, identity: str) -> bool:
        """Whether an input of that identity was ever taken from an inbox that leaves its files in place."""
        query = "SELECT 1 FROM inputs WHERE inbox = ? AND identity = ?"
        return self._db.execute(query, (inbox, identity)).fetchone() is not None

    def parts(self, claim: str) -> list[PartReport]:
        """The finished parts of an input."""
        rows = self._db.execute("SELECT report FROM parts WHERE claim = ? ORDER BY number", (claim,))
        return [PartReport(**json.loads(row["report"])) for row in rows]

    def attempts(self, claim: str) -> dict[int, int]:
        """How often each split of an input was given to a worker."""
        rows = self._db.execute("SELECT number, count FROM attempts WHERE claim = ?", (claim,))
        return {row["number"]: row["count"] for row in rows}

    def suspects(self, claim: str) -> dict[int, tuple[Suspect, ...]]:
        """The suspect records of each split of an input."""
        found: dict[int, tuple[Suspect, ...]] = {}
        for row in self._db.execute("SELECT number, suspect FROM suspects WHERE claim = ?", (claim,)):
            found[row["number"]] = (*found.get(row["number"], ()), Suspect(**json.loads(row["suspect"])))
        return found


# ---------------------------------------------------------------------- for other processes


@dataclass(frozen=True, slots=True)
class Counts:
    """How many inputs of one inbox are in a state, with the sums of their records, errors and reviews."""

    inbox: str
    state: str
    inputs: int
    records: int
    errors: int
    reviews: int


class LedgerView:
    """Another process's view of a ledger: it reads, and never holds up the daemon."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise UnavailableError(f"{path}: no ledger there yet; has the daemon ever run with this configuration?")
        self._db = _connect(path)
        self._db.execute("PRAGMA query_only=ON")

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def counts(self, since: float = 0.0) -> list[Counts]:
        """By inbox and state; of finished inputs only those finished at `since` (epoch seconds) or later."""
        rows = self._db.execute(
            "SELECT inbox, state, count(*), total(records), total(errors), total(reviews) FROM inputs"
            " WHERE coalesce(finished_at, 9e99) >= ? GROUP BY inbox, state ORDER BY inbox, state",
            (since,),
        )
        return [Counts(row[0], row[1], row[2], int(row[3]), int(row[4]), int(row[5])) for row in rows]

    def latest(self, state: str, limit: int) -> list[Entry]:
        """The newest inputs that ended in a state, newest first."""
        query = "SELECT * FROM inputs WHERE state = ? ORDER BY finished_at DESC LIMIT ?"
        return [_entry(row) for row in self._db.execute(query, (state, limit))]

    def open_entries(self) -> list[Entry]:
        """Every input that is not finished, oldest claim first."""
        query = f"SELECT * FROM inputs WHERE state IN ({_quoted(OPEN)}) ORDER BY claimed_at"  # noqa: S608  # constants
        return [_entry(row) for row in self._db.execute(query)]

    def has_seen(self, inbox: str, identity: str) -> bool:
        """Whether an input of that identity was ever taken from an inbox that leaves its files in place."""
        query = "SELECT 1 FROM inputs WHERE inbox = ? AND identity = ?"
        return self._db.execute(query, (inbox, identity)).fetchone() is not None

    def parts_done(self, claim: str) -> tuple[int, int]:
        """How many parts of an unfinished input are whole, and how many records they hold."""
        query = "SELECT count(*), total(json_extract(report, '$.records')) FROM parts WHERE claim = ?"
        parts, records = self._db.execute(query, (claim,)).fetchone()
        return parts, int(records)


# ---------------------------------------------------------------------- rows


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=10)
    db.row_factory = sqlite3.Row
    return db


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    elif version > SCHEMA_VERSION:
        raise UnavailableError(f"{path}: made by a newer classifyd (ledger {version}); run that one, or move it away")


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _dump_plan(plan: Plan) -> str:
    cuts = [[cut.start, cut.end, cut.first, dict(cut.context)] for cut in plan.cuts]
    return json.dumps({"cuts": cuts, "reader": plan.reader, "spool": plan.spool})


def _load_plan(text: str) -> Plan:
    found = json.loads(text)
    return Plan(tuple(Cut(*cut) for cut in found["cuts"]), found["reader"], found["spool"])


def _dump_report(report: PartReport) -> str:
    fields: dict[str, Any] = {name: getattr(report, name) for name in PartReport.__slots__ if name != "fault"}
    fields["labels"] = dict(report.labels)
    fields["counts"] = {task: dict(counts) for task, counts in report.counts.items()}
    return json.dumps(fields)


def _entry(row: sqlite3.Row) -> Entry:
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
        _load_plan(row["plan"]) if row["plan"] else None,
        os.fsdecode(row["part"]) if row["part"] else None,
        row["digest"],
        row["records"],
        row["errors"],
        row["reviews"],
        json.loads(row["labels"]),
        Fault(*json.loads(row["fault"])) if row["fault"] else None,
        row["finished_at"],
    )
