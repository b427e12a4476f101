"""The durable history of every input: SQLite in WAL mode, every commit on the disk, one writer: the daemon.

An input's row goes claimed -> intent -> published -> retired, or claimed -> condemned -> quarantined. An intent says
what is about to get which name; a condemnation, what is about to be quarantined and why. Both are committed before the
file system is touched, so that a restart knows how to finish what it finds half done.
"""

from classifyd.ledger.aging import START, Aged, Kind
from classifyd.ledger.corrections import OF_THE_PAGE, Correction, Decision
from classifyd.ledger.notices import Notice
from classifyd.ledger.rows import OPEN, Entry, Plan
from classifyd.ledger.view import Counts, LedgerView
from classifyd.ledger.writing import Ledger

__all__ = [
    "OF_THE_PAGE",
    "OPEN",
    "START",
    "Aged",
    "Correction",
    "Counts",
    "Decision",
    "Entry",
    "Kind",
    "Ledger",
    "LedgerView",
    "Notice",
    "Plan",
]
