"""The daemon's own connection to the ledger: one transaction at a time, and after a fault opened anew."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from classifyd.errors import DiskFault, UnavailableError
from classifyd.ledger.rows import connect, migrate

OURS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.NotSupportedError)
"""What SQLite raises for statements that are wrong: a fault of the code, and of no disk."""


class Connection:
    """A connection that a fault of the disk does not end. UnavailableError if there is none to begin with.

    It is to one file for good: where that was taken away, with the state folder perhaps, nothing is committed to
    another in its place, nor to it while it cannot be found again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        try:
            _ = self.db
        except sqlite3.Error as error:
            raise UnavailableError(f"{path}: no ledger can be kept there: {error}; mend the disk or folder") from error

    @property
    def db(self) -> sqlite3.Connection:
        """What statements are given to, opened anew after a fault."""
        if self._open is None:
            if self._file is not None:
                self._check()
            self._open = _opened(self._path)
            self._file = self._file or _identity(self._path)
        return self._open

    def close(self) -> None:
        """Close it; what was committed is on the disk."""
        if self._open is not None:
            self._open.close()
            self._open = None

    @contextlib.contextmanager
    def commit(self) -> Iterator[None]:
        """One transaction: its changes are on the disk when it ends, or none are made and DiskFault is raised."""
        self._check()
        try:
            self.db.execute("BEGIN IMMEDIATE")
            yield
            self.db.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            self._abandon()
            if isinstance(error, OURS):
                raise
            raise DiskFault(f"the ledger cannot be written: {_told(error)}") from error
        except BaseException:
            if self._open is not None and self._open.in_transaction:
                self._open.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """DiskFault for what the disk refuses to a question."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if isinstance(error, OURS):
                raise
            self._abandon()
            raise DiskFault(f"the ledger cannot be read: {_told(error)}") from error

    def _check(self) -> None:
        """DiskFault if the ledger does not lie where it was opened."""
        try:
            there = _identity(self._path)
        except OSError as error:
            raise DiskFault(f"{self._path}: {error.strerror}; it was taken away: put it back") from error
        if there != self._file:
            raise DiskFault(f"{self._path}: another file lies in the ledger's place; put back the one that was there")

    def _abandon(self) -> None:
        """Close the connection after a fault; an open transaction is rolled back by that.

        A log whose fsync failed is not fsynced again and believed: the kernel may have dropped what it held. Closing
        has SQLite copy what was committed before into the ledger's main file, and remove the log.
        """
        with contextlib.suppress(sqlite3.Error):
            self.close()
        self._open = None


def _opened(path: Path) -> sqlite3.Connection:
    db = connect(path)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        migrate(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _told(error: sqlite3.DatabaseError) -> str:
    if isinstance(error, sqlite3.OperationalError):
        return f"{error}; free the disk or mend the folder"
    return f"{error}; the file is damaged, and docs/operate.md says what can be done"
