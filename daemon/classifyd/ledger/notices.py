"""What receivers are still to be told of finished inputs: written down with an input's end, removed once told."""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

TABLE = """
CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT, receiver TEXT NOT NULL, at REAL NOT NULL, document TEXT NOT NULL
) STRICT;
CREATE INDEX notices_by_receiver ON notices (receiver, id);
"""


@dataclass(frozen=True, slots=True)
class Notice:
    """One document for one receiver. Of those of one receiver the older has the lower number."""

    id: int
    document: str


def insert(db: sqlite3.Connection, receiver: str, at: float, document: str) -> None:
    db.execute("INSERT INTO notices (receiver, at, document) VALUES (?, ?, ?)", (receiver, at, document))


def delete(db: sqlite3.Connection, ids: Collection[int]) -> int:
    """How many of them were still there."""
    return db.executemany("DELETE FROM notices WHERE id = ?", [(one,) for one in ids]).rowcount


def delete_oldest(db: sqlite3.Connection, receiver: str, count: int) -> int:
    query = "DELETE FROM notices WHERE id IN (SELECT id FROM notices WHERE receiver = ? ORDER BY id LIMIT ?)"
    return db.execute(query, (receiver, count)).rowcount


def delete_of_others(db: sqlite3.Connection, receivers: Collection[str]) -> int:
    marks = ", ".join("?" * len(receivers))
    query = f"DELETE FROM notices WHERE receiver NOT IN ({marks})"  # noqa: S608  # marks only
    return db.execute(query, tuple(receivers)).rowcount


def count(db: sqlite3.Connection, receiver: str) -> int:
    found: int = db.execute("SELECT count(*) FROM notices WHERE receiver = ?", (receiver,)).fetchone()[0]
    return found


def select(db: sqlite3.Connection, receiver: str, after: int, limit: int) -> list[Notice]:
    query = "SELECT id, document FROM notices WHERE receiver = ? AND id > ? ORDER BY id LIMIT ?"
    return [Notice(row[0], row[1]) for row in db.execute(query, (receiver, after, limit))]


def find(db: sqlite3.Connection, identity: int) -> Notice | None:
    row = db.execute("SELECT id, document FROM notices WHERE id = ?", (identity,)).fetchone()
    return None if row is None else Notice(row[0], row[1])
