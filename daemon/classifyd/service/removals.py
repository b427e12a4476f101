"""Bringing inputs to where they end: into done, into quarantine, or away; also where that is another file system."""

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from classifyd.config import DELETE, CorrectionsInbox
from classifyd.disk import fsync_folder, fsync_folders
from classifyd.errors import DiskFault
from classifyd.inbox.moves import move
from classifyd.inbox.quarantine import quarantine, quarantine_name
from classifyd.inbox.scan import look
from classifyd.ledger import Ledger
from classifyd.reports import PartReport
from classifyd.service.copies import Copies
from classifyd.service.places import done_folder, lying
from classifyd.service.work import Work
from classifyd.values import Fault


class Removals:
    """Moves inputs out of their claims. OSError leaves them as they are, to be tried again.

    What went to done is on the disk only after `settle`, so that many go there for the price of one.
    """

    def __init__(self, ledger: Ledger, copies: Copies) -> None:
        self._ledger = ledger
        self._copies = copies
        self._moved_into: set[Path] = set()

    def to_done(self, work: Work, total: PartReport) -> bool:
        """Move or delete a published input, as its inbox says; False while it is still being copied.

        A single record that is for review goes where those go.
        """
        end = self._end(work, total)
        if end is None:
            Path(work.claim.path).unlink()
            return True
        folder, name = end
        place = self._bring(work, folder, partial(move, durable=False), name, called=name)
        if place is None:
            return False
        self._moved_into.add(place.parent)
        self._note(work, folder, place)
        return True

    def came_before(self, folder: Path, name: str) -> None:
        """Have `settle` make sure of a move that an earlier run made: perhaps it was killed before it could."""
        self._moved_into.update({folder, (folder / name).parent})

    def was_done(self, work: Work, total: PartReport) -> None:
        """The same for one to done."""
        if end := self._end(work, total):
            self.came_before(*end)
            self._note(work, end[0], lying(work.claim, *end))

    @staticmethod
    def _note(work: Work, folder: Path, place: Path | None) -> None:
        """Remember where it lies in done; what is for review waits there for people, however long."""
        if folder != work.inbox.review:
            work.place = place

    def was_quarantined(self, work: Work) -> Path | None:
        """The same for one into quarantine, at once; where it lies, None if it was taken away since."""
        folder, name = work.inbox.quarantine, quarantine_name(work.claim.name)
        self.came_before(folder, name)
        self.settle()
        return lying(work.claim, folder, name)

    @staticmethod
    def _end(work: Work, total: PartReport) -> tuple[Path, str] | None:
        """The folder that a published input goes to, and its name there; None if it is deleted."""
        review = work.inbox.review
        if review is not None and total.records == 1 and total.reviews:
            return review, work.claim.name
        if work.inbox.done == DELETE:
            return None
        # A corrected file lies below its task and label, of which done knows by its own pattern.
        corrected = isinstance(work.inbox, CorrectionsInbox)
        name = str(Path(*Path(work.claim.name).parts[2:])) if corrected else work.claim.name
        return done_folder(work.inbox.done, total), name

    def settle(self) -> None:
        """Have all that went to done on the disk."""
        fsync_folders(folder for folder in self._moved_into if folder.is_dir())
        self._moved_into.clear()

    def to_quarantine(self, work: Work, fault: Fault) -> Path | None:
        """Quarantine an input, its reason first; its place, None while it is still being copied."""
        put = partial(quarantine, inbox=work.inbox.name, fault=fault)
        name = work.claim.name
        return self._bring(work, work.inbox.quarantine, put, name, called=quarantine_name(name))

    def copying(self, work: Work) -> bool:
        """Whether an input is still being copied."""
        return self._copies.under_way(work.claim.id)

    def _bring(self, work: Work, folder: Path, put: Callable[..., Path], name: str, *, called: str) -> Path | None:
        """The place that `put` gives the input below a folder; None while it is copied to another file system.

        A copy is whole, and in the ledger, before it gets its name. The original goes once the copy was seen under
        what it is then `called`, or one of the next names, and this is on the disk.
        """
        claim = work.claim
        below = Path(work.below) if work.below else None
        if work.copy is None:
            try:
                return put(claim.path, folder, name, below=below, across=False)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
            work.copy = self._copied(work, folder, below)
            if work.copy is None:
                return None
        if look(str(work.copy), claim.name) is not None:
            place = put(str(work.copy), folder, name)
        else:
            place = _named_before(work, work.copy, folder, called)
        fsync_folder(place.parent)
        Path(claim.path).unlink(missing_ok=True)
        return place

    def _copied(self, work: Work, folder: Path, below: Path | None) -> Path | None:
        copy = self._copies.make(work.claim, folder, below)
        if copy is not None:
            with self._ledger.commit():
                self._ledger.copied(work.claim.id, str(copy))
        return copy


def _named_before(work: Work, copy: Path, folder: Path, called: str) -> Path:
    """Where a copy lies that got its name before a crash. DiskFault if it is not there, and the original still is.

    FileNotFoundError if both are gone: the original has gone last.
    """
    claim = work.claim
    place = lying(claim, folder, called) or lying(claim, copy.parent, called)
    if place is not None:
        return place
    if look(claim.path, claim.name) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), claim.path)
    what = f"{copy}: gone, and {work.shown} does not lie in that folder under its name"
    raise DiskFault(f"{what}; mount the disk that it was copied to, or remove {claim.path} if the copy was taken away")
