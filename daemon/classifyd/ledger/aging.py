"""What of finished inputs has grown old: the files that still lie where they were put, and the rows themselves."""

import os
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

TABLE = """
ALTER TABLE inputs ADD COLUMN place BLOB;
ALTER TABLE inputs ADD COLUMN answer_size INTEGER;
ALTER TABLE inputs ADD COLUMN answer_mtime_ns INTEGER;
CREATE INDEX inputs_ended ON inputs (inbox, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX inputs_placed ON inputs (inbox, finished_at) WHERE place IS NOT NULL;
CREATE INDEX inputs_answered ON inputs (inbox, finished_at) WHERE answer_mtime_ns IS NOT NULL;
CREATE TABLE past (inbox TEXT NOT NULL, state TEXT NOT NULL, inputs INTEGER NOT NULL, records INTEGER NOT NULL,
    errors INTEGER NOT NULL, reviews INTEGER NOT NULL, PRIMARY KEY (inbox, state)) STRICT, WITHOUT ROWID;
"""

Kind = Literal["done", "outputs"]
"""The inputs in their done folders, and their answers."""

_COLUMNS = {
    "done": ("place", "size", "mtime_ns", "place IS NOT NULL"),
    "outputs": ("output", "answer_size", "answer_mtime_ns", "answer_mtime_ns IS NOT NULL"),
}
_FORGOTTEN = {"done": "place = NULL", "outputs": "answer_size = NULL, answer_mtime_ns = NULL"}

Mark = tuple[float, str]
"""How far the old ones were gone through: the end of the last input, and its claim."""

START: Mark = (0.0, "")


@dataclass(frozen=True, slots=True)
class Aged:
    """A file that was put down long ago, and what it was like then.

    `path` is the whole path of an input in done, and that below the inbox's output folder of an answer.
    """

    claim: str
    finished_at: float
    path: str
    size: int
    mtime_ns: int

    @property
    def mark(self) -> Mark:
        """To go on behind it."""
        return self.finished_at, self.claim


def aged(db: sqlite3.Connection, kind: Kind, inbox: str, before: float, *, after: Mark, limit: int) -> list[Aged]:
    path, size, mtime_ns, there = _COLUMNS[kind]
    query = (
        f"SELECT claim, finished_at, {path}, {size}, {mtime_ns} FROM inputs"  # noqa: S608  # constants
        f" WHERE inbox = ? AND finished_at < ? AND (finished_at, claim) > (?, ?) AND {there} AND state = 'retired'"
        " ORDER BY finished_at, claim LIMIT ?"
    )
    rows = db.execute(query, (inbox, before, *after, limit)).fetchall()
    return [Aged(row[0], row[1], os.fsdecode(row[2]), row[3], row[4]) for row in rows]


def size_of_aged(db: sqlite3.Connection, kind: Kind, inbox: str, before: float) -> tuple[int, int]:
    """How many there are, and their bytes."""
    _, size, _, there = _COLUMNS[kind]
    query = f"SELECT count(*), total({size}) FROM inputs WHERE inbox = ? AND finished_at < ? AND {there}"  # noqa: S608
    count, size_found = db.execute(f"{query} AND state = 'retired'", (inbox, before)).fetchone()
    return count, int(size_found)


def forget(db: sqlite3.Connection, kind: Kind, claims: Collection[str]) -> None:
    """The files are gone."""
    query = f"UPDATE inputs SET {_FORGOTTEN[kind]} WHERE claim = ?"  # noqa: S608  # constants
    db.executemany(query, [(claim,) for claim in claims])


_OLD_ROWS = (
    " FROM inputs WHERE inbox = ? AND finished_at < ? AND identity IS NULL"
    " AND state IN ('retired', 'quarantined', 'vanished')"
    " AND NOT (? AND place IS NOT NULL) AND NOT (? AND answer_mtime_ns IS NOT NULL AND state = 'retired')"
)


def count_old(db: sqlite3.Connection, inbox: str, before: float, waits_for: Collection[Kind]) -> int:
    """How many rows `delete_old` would remove."""
    count: int = db.execute(f"SELECT count(*){_OLD_ROWS}", (inbox, before, *_waits(waits_for))).fetchone()[0]
    return count


def delete_old(db: sqlite3.Connection, inbox: str, before: float, waits_for: Collection[Kind], limit: int) -> int:
    """Remove rows of inputs that ended before a time, the oldest first, and keep their sums; how many.

    Not those whose files of a kind in `waits_for` are still to be removed: nothing else knows of them. Not those of
    inputs that stay where they are, which would be labelled once more.
    """
    query = f"SELECT claim, state, records, errors, reviews{_OLD_ROWS} ORDER BY finished_at LIMIT ?"
    rows = db.execute(query, (inbox, before, *_waits(waits_for), limit)).fetchall()
    db.executemany("DELETE FROM inputs WHERE claim = ?", [(row["claim"],) for row in rows])
    db.executemany(
        "INSERT INTO past VALUES (?, ?, 1, ?, ?, ?) ON CONFLICT DO UPDATE SET inputs = inputs + 1, records = records"
        " + excluded.records, errors = errors + excluded.errors, reviews = reviews + excluded.reviews",
        [(inbox, row["state"], row["records"], row["errors"], row["reviews"]) for row in rows],
    )
    return len(rows)


def _waits(kinds: Collection[Kind]) -> tuple[bool, bool]:
    return "done" in kinds, "outputs" in kinds
