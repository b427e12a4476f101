"""Another process's view of the ledger, for `status`."""

import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from classifyd.errors import UnavailableError
from classifyd.jobs import Suspect
from classifyd.ledger import aging, corrections, notices, rows
from classifyd.ledger.aging import Kind
from classifyd.ledger.corrections import Correction, Decision
from classifyd.ledger.notices import Notice
from classifyd.ledger.rows import (
    INPUT,
    OPEN_INPUTS,
    SEEN,
    Entry,
    connect,
    counts_of,
    entry_of,
    origin,
    version_of,
)
from classifyd.reports import PartReport
from classifyd.values import Fault


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
    """Another process's view of a ledger: it reads, and never holds up the daemon.

    UnavailableError if there is none yet.
    """

    def __init__(self, path: Path) -> None:
        none_yet = f"{path}: no ledger there yet; has the daemon ever run with this configuration?"
        if not path.exists():
            raise UnavailableError(none_yet)
        self._db = connect(path)
        self._db.execute("PRAGMA query_only=ON")
        if not version_of(self._db):  # a daemon is about to make it
            self._db.close()
            raise UnavailableError(none_yet)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def counts(self, since: float = 0.0) -> list[Counts]:
        """By inbox and state; of finished inputs only those finished at `since` (epoch seconds) or later.

        Since the beginning, those whose rows were removed are among them.
        """
        one_by_one = "SELECT inbox, state, 1 AS inputs, records, errors, reviews FROM inputs"
        found = f"{one_by_one} WHERE coalesce(finished_at, 9e99) >= ?"
        if since <= 0 and self._ages:
            found += " UNION ALL SELECT inbox, state, inputs, records, errors, reviews FROM past"
        sums = "total(inputs), total(records), total(errors), total(reviews)"
        query = f"SELECT inbox, state, {sums} FROM ({found}) GROUP BY inbox, state ORDER BY inbox, state"  # noqa: S608  # constants
        rows = self._db.execute(query, (since,))
        return [Counts(row[0], row[1], int(row[2]), int(row[3]), int(row[4]), int(row[5])) for row in rows]

    def finished_since(self, since: float) -> Iterator[tuple[str, float, PartReport]]:
        """Inbox, time and counts of every input retired at `since` (epoch seconds) or later, oldest first."""
        columns = "inbox, finished_at, claim, records, errors, reviews, labels, counts"
        query = f"SELECT {columns} FROM inputs WHERE state = 'retired' AND finished_at >= ? ORDER BY finished_at"  # noqa: S608  # constants
        return ((row["inbox"], row["finished_at"], counts_of(row)) for row in self._db.execute(query, (since,)))

    def newest(self, limit: int) -> list[Entry]:
        """The inputs that were answered last, newest first."""
        query = "SELECT * FROM inputs WHERE state = 'retired' ORDER BY finished_at DESC LIMIT ?"
        return [entry_of(row) for row in self._db.execute(query, (limit,))]

    def newest_doubtful(self, limit: int) -> list[Entry]:
        """Those with records for review among the last ten thousand, newest first."""
        newest = "SELECT * FROM inputs WHERE state = 'retired' ORDER BY finished_at DESC LIMIT 10000"
        query = f"SELECT * FROM ({newest}) WHERE reviews > 0 ORDER BY finished_at DESC LIMIT ?"  # noqa: S608  # constant
        return [entry_of(row) for row in self._db.execute(query, (limit,))]

    def entry(self, claim: str) -> Entry | None:
        """An input by its claim; None if the ledger does not know it."""
        row = self._db.execute(INPUT, (claim,)).fetchone()
        return entry_of(row) if row else None

    def open_entries(self) -> list[Entry]:
        """Every input that is not finished, oldest claim first."""
        return [entry_of(row) for row in self._db.execute(OPEN_INPUTS)]

    def by_output(self, inbox: str, output: str) -> Entry | None:
        """The last input of an inbox that was answered by an output of that name below its folder."""
        query = "SELECT * FROM inputs WHERE inbox = ? AND output = ? AND state = 'retired' ORDER BY finished_at DESC"
        row = self._db.execute(query, (inbox, os.fsencode(output))).fetchone()
        return None if row is None else entry_of(row)

    def newest_named(self, inbox: str, name: str) -> Entry | None:
        """The last input of an inbox that had that name below it, or was to be answered under it; in any state."""
        query = "SELECT * FROM inputs WHERE inbox = ? AND ? IN (name, output) ORDER BY claimed_at DESC"
        row = self._db.execute(query, (inbox, os.fsencode(name))).fetchone()
        return None if row is None else entry_of(row)

    def attempts(self, claim: str) -> dict[int, int]:
        """How often each split of an unfinished input was given to a worker."""
        return rows.attempts(self._db, claim)

    def suspects(self, claim: str) -> list[Suspect]:
        """The records of an unfinished input over which workers have died."""
        return list(chain.from_iterable(rows.suspects(self._db, claim).values()))

    def by_place(self, place: str) -> Entry | None:
        """The last input that went to a place in done."""
        if not self._ages:
            return None
        query = "SELECT * FROM inputs WHERE place = ? ORDER BY finished_at DESC"
        row = self._db.execute(query, (os.fsencode(place),)).fetchone()
        return None if row is None else entry_of(row)

    def outputs(self, inbox: str) -> Iterator[str]:
        """The names of an inbox's outputs that are known."""
        rows = self._db.execute("SELECT output FROM inputs WHERE inbox = ? AND state = 'retired'", (inbox,))
        return (os.fsdecode(row[0]) for row in rows)

    def corrections(self, task: str | None = None) -> list[Correction]:
        """What people said of texts, of one task or of all, oldest first."""
        return list(corrections.select(self._db, task))

    def correction(self, key: str) -> Correction | None:
        """What was recorded under a key."""
        return corrections.find(self._db, key)

    def corrected_by_file(self, since: float) -> dict[tuple[str, str, str], float]:
        """Task, inbox and source of what was moved to the corrections at `since` or later, and when (epoch seconds)."""
        return corrections.by_file(self._db, since)

    def decisions(self, inbox: str) -> dict[str, dict[str, Decision]]:
        """What was said on the status page of an inbox's texts, by source and key."""
        return corrections.decisions(self._db, inbox)

    def origin(self, inbox: str, name: str, size: int, mtime_ns: int) -> Entry | None:
        """The input of an inbox that a file was before it was moved; None if there is none."""
        return origin(self._db, inbox, name, size, mtime_ns)

    def notices(self, receiver: str, after: int, limit: int) -> list[Notice]:
        """The next ones for a receiver behind a number, oldest first."""
        return notices.select(self._db, receiver, after, limit)

    def notice(self, identity: int) -> Notice | None:
        """One by its number; None if it was given up."""
        return notices.find(self._db, identity)

    def size_of_aged(self, kind: Kind, inbox: str, before: float) -> tuple[int, int]:
        """How many files of inputs that ended before a time (epoch seconds) are still known, and their bytes."""
        return aging.size_of_aged(self._db, kind, inbox, before) if self._ages else (0, 0)

    def count_old(self, inbox: str, before: float, waits_for: Collection[Kind]) -> int:
        """How many rows a sweep would remove, once the files of `waits_for` are gone."""
        return aging.count_old(self._db, inbox, before, waits_for) if self._ages else 0

    @property
    def _ages(self) -> bool:
        """Whether it is of a release that removes what is old."""
        return self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'past'").fetchone() is not None

    def damage(self) -> str:
        """The first thing that SQLite finds wrong with the file, which it reads as a whole; empty if it is sound."""
        found = str(self._db.execute("PRAGMA quick_check(1)").fetchone()[0])
        return "" if found == "ok" else found

    def left(self, inbox: str) -> dict[str, Fault]:
        """Why inputs of an inbox that leaves its files in place got no answer, by their identities."""
        query = "SELECT identity, fault FROM inputs WHERE inbox = ? AND state = 'quarantined' AND identity IS NOT NULL"
        return {row[0]: Fault(*json.loads(row[1])) for row in self._db.execute(query, (inbox,))}

    def has_seen(self, inbox: str, identity: str) -> bool:
        """Whether an input of that identity was ever taken from an inbox that leaves its files in place."""
        return self._db.execute(SEEN, (inbox, identity)).fetchone() is not None
