"""How inputs leave: where their inbox says once they are published, into quarantine with a reason, or taken away."""

import errno
import os
import time
from collections.abc import Callable, Iterable
from functools import partial

import structlog

from classifyd.config import CorrectionsInbox
from classifyd.inbox.claims import ClaimFolder
from classifyd.inbox.quarantine import LEFT
from classifyd.inbox.scan import look
from classifyd.ledger import Ledger
from classifyd.reports import FileReport, PartReport
from classifyd.service import notices
from classifyd.service.ending import Ending
from classifyd.service.receivers import Receivers
from classifyd.service.removals import Removals
from classifyd.service.work import Folders, Work
from classifyd.values import Fault

log = structlog.get_logger()


class Retirement:
    """Brings inputs to where they end, with the ledger's last word on them. `finished` is given each one's report.

    One that is being copied to another file system is left as it is, to be retired when that is done.
    """

    def __init__(
        self,
        ledger: Ledger,
        folders: Folders,
        claims: dict[str, ClaimFolder],
        removals: Removals,
        *,
        receivers: Receivers,
        finished: Callable[[Work, FileReport], None],
    ) -> None:
        self._ledger = ledger
        self._folders = folders
        self._claims = claims
        self._removals = removals
        self._receivers = receivers
        self._finished = finished

    def retire(self, endings: Iterable[Ending]) -> None:
        """Move or delete published inputs, as their inboxes say."""
        retiring = [ending for ending in endings if self._move_on(ending.work, ending.total)]
        self._removals.settle()
        for ending in retiring:
            if not ending.work.in_place:
                # Not before: were the folder's end on the disk and the move out of it not, the input would be nowhere.
                self._claims[ending.work.inbox.name].forget(ending.claim)
        at = time.time()
        with self._receivers.noting():
            for ending in retiring:
                place = ending.work.place
                self._ledger.retired(ending.claim.id, at, None if place is None else str(place))
                if not isinstance(ending.work.inbox, CorrectionsInbox):
                    document = partial(notices.published, ending, at)
                    self._receivers.note(ending.work.inbox.name, "published", at, document)
        for ending in retiring:
            self._clean(ending.work)
            corrected = isinstance(ending.work.inbox, CorrectionsInbox)
            state, output = ("corrected", None) if corrected else ("published", str(ending.work.target))
            self._finished(ending.work, ending.report(state, output))

    def condemn(self, work: Work, fault: Fault) -> None:
        """Quarantine an input: the reason first, then the file. One that is gone has vanished."""
        if look(work.claim.path, work.claim.name) is None:
            self.vanished(work)
            return
        with self._ledger.commit():
            self._ledger.condemned(work.claim.id, fault)
        self.carry_out(work, fault)

    def carry_out(self, work: Work, fault: Fault) -> None:
        """Go on from a committed condemnation."""
        place = None
        if not work.in_place:
            if look(work.claim.path, work.claim.name) is None:  # a crash came between the move and its commit
                place = self._removals.was_quarantined(work)
            else:
                place = self._removals.to_quarantine(work, fault)
                if place is None:
                    return
            self._claims[work.inbox.name].forget(work.claim)
        at = time.time()
        with self._receivers.noting():
            self._ledger.quarantined(work.claim.id, at)
            if not isinstance(work.inbox, CorrectionsInbox):
                document = partial(notices.quarantined, Ending.without_answer(work), at, fault, place)
                self._receivers.note(work.inbox.name, "quarantined", at, document)
        self._clean(work)
        where = str(place or LEFT)
        log.error("quarantined", file=work.shown, inbox=work.inbox.name, reason=fault.message, place=where)
        self._finished(work, Ending.without_answer(work).report("quarantined", None, fault.message))

    def vanished(self, work: Work) -> None:
        """An input was taken away while it was claimed: only what was made of it is left to remove."""
        log.warning("input_vanished", file=work.shown, inbox=work.inbox.name)
        with self._ledger.commit():
            self._ledger.vanished(work.claim.id, time.time())
        self._clean(work)
        self._finished(work, Ending.without_answer(work).report("vanished", None, "taken away while it was claimed"))

    def copying(self, work: Work) -> bool:
        """Whether the input is still being copied."""
        return self._removals.copying(work)

    def _move_on(self, work: Work, total: PartReport) -> bool:
        """Whether the input is where it belongs; else it is still being copied."""
        if work.in_place:
            return True
        try:
            if not self._removals.to_done(work, total):
                return False
        except FileNotFoundError:  # a crash came between the move and its commit
            self._removals.was_done(work, total)
        if look(work.claim.path, work.claim.name) is not None:  # it was the folder that was taken away meanwhile
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), work.inbox.done)
        return True

    def _clean(self, work: Work) -> None:
        """Remove what is of no use once the input is finished."""
        self._folders.discard(work.claim.id, work.result)
