"""What people said of texts, against a model or with it: kept in the ledger for the next training."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from classifyd.values import Span

TABLE = """
CREATE TABLE corrections (
    key TEXT PRIMARY KEY, at REAL NOT NULL, who TEXT NOT NULL, task TEXT NOT NULL, text TEXT NOT NULL, label TEXT,
    spans TEXT, inbox TEXT NOT NULL, source TEXT NOT NULL, model TEXT NOT NULL, said TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX corrections_by_task ON corrections (task, at);
CREATE INDEX inputs_by_look ON inputs (size, mtime_ns);
"""

OF_THE_PAGE = "page:"
"""How the keys of corrections begin that were made on the status page; no input is called so."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person says one task should have said of one text.

    `key` names it: recorded again under the same key it changes nothing. `at` is in seconds since the epoch. `label` is
    for tasks that label whole texts, `spans` for those that mark stretches. `model` is what had answered and `said` the
    label that it gave, or its spans in a line; empty where that is not known, or there was none.
    """

    key: str
    at: float
    who: str
    task: str
    text: str
    label: str | None = None
    spans: tuple[Span, ...] | None = None
    inbox: str = ""
    source: str = ""
    model: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was said on the status page of one answer, without its text: the label that is right (None for spans)."""

    label: str | None
    at: float


def insert(db: sqlite3.Connection, correction: Correction) -> None:
    spans = None
    if correction.spans is not None:
        spans = json.dumps([[span.start, span.end, span.label] for span in correction.spans])
    db.execute(
        "INSERT OR IGNORE INTO corrections (key, at, who, task, text, label, spans, inbox, source, model, said)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            correction.key,
            correction.at,
            correction.who,
            correction.task,
            correction.text,
            correction.label,
            spans,
            correction.inbox,
            correction.source,
            correction.model,
            correction.said,
        ),
    )


def select(db: sqlite3.Connection, task: str | None) -> Iterator[Correction]:
    """Those of a task, or of all, oldest first; none in a ledger from before there were any."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'corrections'").fetchone():
        return
    query = "SELECT * FROM corrections WHERE ?1 IS NULL OR task = ?1 ORDER BY at, key"
    yield from map(_correction, db.execute(query, (task,)))


def find(db: sqlite3.Connection, key: str) -> Correction | None:
    row = db.execute("SELECT * FROM corrections WHERE key = ?", (key,)).fetchone()
    return None if row is None else _correction(row)


def by_file(db: sqlite3.Connection, since: float) -> dict[tuple[str, str, str], float]:
    """When files were last moved to the corrections, by task, inbox and source."""
    query = (
        "SELECT task, inbox, source, max(at) FROM corrections"
        " WHERE at >= ?1 AND substr(key, 1, length(?2)) != ?2 GROUP BY task, inbox, source"
    )
    return {(row[0], row[1], row[2]): row[3] for row in db.execute(query, (since, OF_THE_PAGE))}


def decisions(db: sqlite3.Connection, inbox: str) -> dict[str, dict[str, Decision]]:
    """What was said on the page of an inbox's texts, by source and key."""
    query = "SELECT source, key, label, at FROM corrections WHERE inbox = ?1 AND substr(key, 1, length(?2)) = ?2"
    found: dict[str, dict[str, Decision]] = {}
    for row in db.execute(query, (inbox, OF_THE_PAGE)):
        found.setdefault(row["source"], {})[row["key"]] = Decision(row["label"], row["at"])
    return found


def _correction(row: sqlite3.Row) -> Correction:
    spans = None
    if row["spans"] is not None:
        spans = tuple(Span(start, end, label, 1.0) for start, end, label in json.loads(row["spans"]))
    return Correction(**{**dict(row), "spans": spans})
