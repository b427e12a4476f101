"""The daemon's own connection to the ledger: one transaction at a time, and after a fault opened anew."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from classifyd.errors import DiskFault, UnavailableError
from classifyd.ledger.rows import connect, migrate


class Connection:
    """A connection that a fault of the disk does not end. UnavailableError if there is none to begin with."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: sqlite3.Connection | None = None
        try:
            _ = self.db
        except sqlite3.Error as error:
            raise UnavailableError(f"{path}: no ledger can be kept there: {error}; mend the disk or folder") from error

    @property
    def db(self) -> sqlite3.Connection:
        """What statements are given to, opened anew after a fault."""
        if self._open is None:
            self._open = _opened(self._path)
        return self._open

    def close(self) -> None:
        """Close it; what was committed is on the disk."""
        if self._open is not None:
            self._open.close()
            self._open = None

    @contextlib.contextmanager
    def commit(self) -> Iterator[None]:
        """One transaction: its changes are on the disk when it ends, or none are made and DiskFault is raised."""
        try:
            self.db.execute("BEGIN IMMEDIATE")
            yield
            self.db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._abandon()
            raise DiskFault(f"the ledger cannot be written: {error}; free the disk or mend the folder") from error
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """DiskFault for what the disk refuses to a question."""
        try:
            yield
        except sqlite3.OperationalError as error:
            self._abandon()
            raise DiskFault(f"the ledger cannot be read: {error}; mend the disk or the folder") from error

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
