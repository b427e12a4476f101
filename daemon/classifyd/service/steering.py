"""What people ask of a running daemon: to pause an inbox, to cancel an input. Looked for about twice a second."""

import time
from collections.abc import Mapping
from pathlib import Path

import structlog

from classifyd.errors import DiskFault
from classifyd.inbox.notes import Note, cancels, pauses
from classifyd.ledger import Ledger
from classifyd.service.dispatch import Dispatcher
from classifyd.service.endings import Endings
from classifyd.service.results import Results
from classifyd.values import Fault

log = structlog.get_logger()

LOOK_SECONDS = 0.5
CANCELLED = "Cancelled"
"""The type of the fault for which a cancelled input is quarantined."""


class Pauses:
    """The inboxes of which nothing is claimed and nothing is begun, each with who asked for that and when."""

    def __init__(self, state: Path) -> None:
        self.now: Mapping[str, Note] = {}
        self._notes = pauses(state)
        self._next_look = 0.0

    def __contains__(self, inbox: object) -> bool:
        return inbox in self.now

    def begin(self) -> None:
        """Look for the first time, before anything is claimed. OSError if the folder cannot be made or read."""
        self._notes.make_folder()
        self.now = self._notes.all()

    def look(self) -> None:
        """See what is paused now. A folder that cannot be read changes nothing."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        try:
            found = self._notes.all()
        except OSError as error:
            log.warning("pauses_not_read", error=str(error), consequence="what was paused stays so")
            return
        for inbox in found.keys() - self.now.keys():
            log.info("paused", inbox=inbox, who=found[inbox].who)
        for inbox in self.now.keys() - found.keys():
            log.info("resumed", inbox=inbox)
        self.now = found


class Cancelling:
    """Brings inputs into quarantine that people have cancelled.

    No job of such an input is given out any more. It is condemned when no worker has one of it in hand, and not before:
    a part that is written meanwhile is removed with the others. The note goes last, so that a kill at any moment leaves
    either the note or the condemnation in the ledger.
    """

    def __init__(self, state: Path, ledger: Ledger, dispatcher: Dispatcher, endings: Endings) -> None:
        self._notes = cancels(state)
        self._ledger = ledger
        self._dispatcher = dispatcher
        self._endings = endings
        self._next_look = 0.0

    def begin(self) -> None:
        """OSError if the folder for the notes cannot be made."""
        self._notes.make_folder()

    def look(self) -> None:
        """See what is to be cancelled, and do it as far as it can be done now; what a disk refuses is tried again."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        try:
            notes = self._notes.all()
        except OSError as error:
            log.warning("cancels_not_read", error=str(error), consequence="tried again")
            return
        for claim, note in notes.items():
            try:
                self._cancel(claim, note)
            except (OSError, DiskFault) as error:
                log.warning("not_cancelled", claim=claim, error=str(error), consequence="tried again")

    def _cancel(self, claim: str, note: Note) -> None:
        work = self._dispatcher.works.get(claim)
        if work is None:
            self._settle(claim)
            return
        if not work.cancelled:
            work.cancelled = True
            log.info("cancelling", file=work.shown, inbox=work.inbox.name, who=note.who)
        if not self._dispatcher.has_in_hand(work):
            fault = Fault(CANCELLED, f"{work.shown}: cancelled by {note.who}")
            self._endings.bring(Results(condemned=[(work, fault)]))
            self._settle(claim)

    def _settle(self, claim: str) -> None:
        """Take the note away once the ledger knows of the input's end, whichever it is."""
        entry = self._ledger.entry(claim)
        if entry is not None and entry.state == "claimed":
            return  # it is about to be published, or a disk did not let it be condemned
        if entry is not None and entry.fault is None:
            log.warning("cancelled_too_late", inbox=entry.claim.inbox, state=entry.state)
        self._notes.remove(claim)
