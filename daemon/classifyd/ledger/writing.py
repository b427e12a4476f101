"""What the daemon tells the ledger, and asks of it."""

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from classifyd.jobs import Claim, Suspect
from classifyd.ledger import aging, corrections, notices, rows
from classifyd.ledger.aging import Aged, Kind, Mark
from classifyd.ledger.connection import Connection
from classifyd.ledger.corrections import Correction
from classifyd.ledger.rows import INPUT, OPEN_INPUTS, SEEN, Entry, Plan, dump_plan, dump_report, entry_of, origin
from classifyd.reports import PartReport
from classifyd.values import Fault


class Ledger:
    """The daemon's own connection. Methods that change something are to be called inside `with ledger.commit():`.

    UnavailableError if it cannot be opened at all; DiskFault from whatever the disk refuses later.
    """

    def __init__(self, path: Path) -> None:
        self._connection = Connection(path)

    def close(self) -> None:
        """Close the connection; what was committed is on the disk."""
        self._connection.close()

    def commit(self) -> AbstractContextManager[None]:
        """One transaction: its changes are on the disk when it ends, or none are made and DiskFault is raised."""
        return self._connection.commit()

    @property
    def _db(self) -> sqlite3.Connection:
        return self._connection.db

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
        self._db.execute("UPDATE inputs SET plan = ? WHERE claim = ?", (dump_plan(plan), claim))

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
        rows = [(report.claim, report.number, dump_report(report)) for report in reports]
        self._db.executemany("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", rows)

    def intend(self, claim: str, part: str, total: PartReport, mtime_ns: int | None = None) -> None:
        """The file `part`, last changed at `mtime_ns`, is about to get the output's name; `total` counts the input."""
        self._db.execute(
            "UPDATE inputs SET state = 'intent', part = ?, digest = ?, records = ?, errors = ?, reviews = ?,"
            " labels = ?, counts = ?, answer_size = ?, answer_mtime_ns = ? WHERE claim = ?",
            (
                os.fsencode(part),
                total.digest,
                total.records,
                total.errors,
                total.reviews,
                json.dumps(dict(total.labels)),
                json.dumps({task: dict(counts) for task, counts in total.counts.items()}),
                total.size,
                mtime_ns,
                claim,
            ),
        )

    def copied(self, claim: str, copy: str) -> None:
        """The file `copy` is a whole copy of the input, where it retires to another file system: it is the part now."""
        self._db.execute("UPDATE inputs SET part = ? WHERE claim = ?", (os.fsencode(copy), claim))

    def published(self, claim: str) -> None:
        """The output has its name, and its folder is on the disk."""
        self._state(claim, "published")

    def retired(self, claim: str, at: float, place: str | None = None) -> None:
        """The input has been moved to its `place` in done, or is none of ours any more; nothing is left to do."""
        self._finish(claim, "retired", at)
        if place is not None:
            self.placed(claim, place)

    def placed(self, claim: str, place: str) -> None:
        """The input lies, or is about to lie, at a place in done."""
        self._db.execute("UPDATE inputs SET place = ? WHERE claim = ?", (os.fsencode(place), claim))

    def condemned(self, claim: str, fault: Fault) -> None:
        """The input is about to be quarantined."""
        fields = (json.dumps([fault.type, fault.message]), claim)
        self._db.execute("UPDATE inputs SET state = 'condemned', fault = ? WHERE claim = ?", fields)

    def quarantined(self, claim: str, at: float) -> None:
        """The input lies in quarantine, its reason beside it."""
        self._finish(claim, "quarantined", at)

    def vanished(self, claim: str, at: float) -> None:
        """The input was taken away by somebody else while it was claimed; should it come back, it is new."""
        self._finish(claim, "vanished", at)
        self._db.execute("UPDATE inputs SET identity = NULL WHERE claim = ?", (claim,))

    def restart(self, claim: Claim, output: str, versions: Mapping[str, int | None]) -> None:
        """Begin an input anew, as it is now, under this output name and these versions: its parts no longer count."""
        self._forget_work(claim.id)
        self._db.execute(
            "UPDATE inputs SET state = 'claimed', size = ?, mtime_ns = ?, output = ?, versions = ?, plan = NULL,"
            " part = NULL, answer_size = NULL, answer_mtime_ns = NULL WHERE claim = ?",
            (claim.size, claim.mtime_ns, os.fsencode(output), json.dumps(dict(versions)), claim.id),
        )

    # ------------------------------------------------------------------ corrections

    def corrected(self, correction: Correction) -> None:
        """What a person said is kept; nothing changes if it is there already."""
        corrections.insert(self._db, correction)

    def withdrawn(self, key: str) -> None:
        """A correction is taken back, with its text."""
        self._db.execute("DELETE FROM corrections WHERE key = ?", (key,))

    def origin(self, inbox: str, name: str, size: int, mtime_ns: int) -> Entry | None:
        """The input of an inbox that a file was before it was moved: one of its size and time, and best its name.

        None if there is none: the file was copied or touched, or never was an input.
        """
        with self._connection.reading():
            return origin(self._db, inbox, name, size, mtime_ns)

    # ------------------------------------------------------------------ notices

    def noted(self, receiver: str, at: float, document: str) -> None:
        """A receiver is to be told."""
        notices.insert(self._db, receiver, at, document)

    def told(self, ids: Collection[int]) -> int:
        """These notices have reached their receivers; how many of them were still to be told."""
        return notices.delete(self._db, ids)

    def given_up(self, receiver: str, count: int) -> int:
        """The oldest notices of a receiver make room; how many there were."""
        return notices.delete_oldest(self._db, receiver, count)

    def given_up_but_of(self, receivers: Collection[str]) -> int:
        """Nobody else is to be told any more; how many notices that were."""
        return notices.delete_of_others(self._db, receivers)

    def untold(self, receiver: str) -> int:
        """How many notices wait for a receiver."""
        with self._connection.reading():
            return notices.count(self._db, receiver)

    # ------------------------------------------------------------------ growing old

    def aged(self, kind: Kind, inbox: str, before: float, *, after: Mark, limit: int) -> list[Aged]:
        """The next files behind a mark, oldest first, of inputs that ended before a time (epoch seconds)."""
        with self._connection.reading():
            return aging.aged(self._db, kind, inbox, before, after=after, limit=limit)

    def forgotten(self, kind: Kind, claims: Collection[str]) -> None:
        """These files are not there any more, or not ours."""
        aging.forget(self._db, kind, claims)

    def rows_removed(self, inbox: str, before: float, waits_for: Collection[Kind], limit: int) -> int:
        """Rows of inputs that ended before a time are removed, their sums kept; see `aging.delete_old`."""
        return aging.delete_old(self._db, inbox, before, waits_for, limit)

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
        rows = self._rows(INPUT, claim)
        return entry_of(rows[0]) if rows else None

    def open_entries(self) -> list[Entry]:
        """Every input that is not finished, oldest claim first."""
        return [entry_of(row) for row in self._rows(OPEN_INPUTS)]

    def has_seen(self, inbox: str, identity: str) -> bool:
        """Whether an input of that identity was ever taken from an inbox that leaves its files in place."""
        return bool(self._rows(SEEN, inbox, identity))

    def parts(self, claim: str) -> list[PartReport]:
        """The finished parts of an input."""
        rows = self._rows("SELECT report FROM parts WHERE claim = ? ORDER BY number", claim)
        return [PartReport(**json.loads(row["report"])) for row in rows]

    def attempts(self, claim: str) -> dict[int, int]:
        """How often each split of an input was given to a worker."""
        with self._connection.reading():
            return rows.attempts(self._db, claim)

    def suspects(self, claim: str) -> dict[int, tuple[Suspect, ...]]:
        """The suspect records of each split of an input."""
        with self._connection.reading():
            return rows.suspects(self._db, claim)

    def _rows(self, query: str, *values: str | int) -> list[sqlite3.Row]:
        with self._connection.reading():
            return self._db.execute(query, values).fetchall()
