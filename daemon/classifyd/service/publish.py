"""The last steps of an input, each group's on the disk before the next begins: intent, output, ledger, retirement.

What a crash leaves is found again by `resume`: an intent whose part is gone from its folder was published, one whose
part is there was not; a published input that still lies in the claim folder is retired then.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from classifyd import beneath
from classifyd.config import CorrectionsInbox
from classifyd.disk import fsync_folders
from classifyd.errors import UnreadableFile
from classifyd.inbox.access import grant, make_granted_folders
from classifyd.inbox.claims import ClaimFolder, unchanged
from classifyd.inbox.moves import reachable, rename_exclusive
from classifyd.inbox.scan import look
from classifyd.jobs import Claim
from classifyd.ledger import Entry, Ledger
from classifyd.reports import PartReport
from classifyd.service.copies import hidden_name
from classifyd.service.corrections import Corrections
from classifyd.service.ending import Ending
from classifyd.service.landmarks import Landmarks
from classifyd.service.retire import Retirement
from classifyd.service.work import Folders, Work
from classifyd.values import Fault

log = structlog.get_logger()


class Publisher:
    """Gives outputs their names and has their inputs retired. `again` is given inputs to begin anew."""

    def __init__(
        self,
        ledger: Ledger,
        folders: Folders,
        claims: dict[str, ClaimFolder],
        corrections: Corrections,
        retirement: Retirement,
        *,
        again: Callable[[Work, Claim], None],
    ) -> None:
        self._ledger = ledger
        self._folders = folders
        self._claims = claims
        self._corrections = corrections
        self._retirement = retirement
        self._again = again
        self._landmarks = Landmarks(folders.state, ledger)

    # ------------------------------------------------------------------ publishing

    def publish(self, works: Sequence[Work]) -> None:
        """Publish an inbox's finished inputs as one group and retire them.

        OSError or DiskFault leaves them as `resume` expects them.
        """
        ready = [work for work in works if self._still_same(work) and self._has_result(work)]
        endings = [Ending(work.claim, work, work.result, work.total()) for work in ready]
        if not endings:
            return
        # The claims' own renames too: a power cut that undid one afterwards would have the input done twice.
        inbox = works[0].inbox
        claims = self._claims[inbox.name]
        claimed = [ending.claim for ending in endings if not ending.work.in_place]
        claims.mark(claimed)
        fsync_folders(folder for claim in claimed for folder in claims.made_for(claim))
        claims.fsync_left(claimed)
        fsync_folders(ending.part.parent for ending in endings)
        if isinstance(inbox, CorrectionsInbox):
            self._correct(endings)
            return
        for folder in {ending.part.parent for ending in endings}:
            self._landmarks.give(folder)
        grant([ending.part for ending in endings], inbox.access)
        answers = [look(str(ending.part), "") for ending in endings]
        with self._ledger.commit():
            for ending, answer in zip(endings, answers, strict=True):
                self._ledger.intend(
                    ending.claim.id, str(ending.part), ending.total, answer.mtime_ns if answer else None
                )
        self._finish(endings)

    def _finish(self, endings: Iterable[Ending]) -> None:
        """Go on from committed intents: give the outputs their names, then retire the inputs."""
        named = [ending for ending in endings if self._name(ending)]
        fsync_folders(_standing(ending.work.target.parent) for ending in named)
        with self._ledger.commit():
            for ending in named:
                self._ledger.published(ending.claim.id)
        for ending in named:
            ending.log_published()
        self._retirement.retire(named)

    def _correct(self, endings: Iterable[Ending]) -> None:
        """Hand what corrected files say to the ledger, and retire them; those that say nothing are quarantined."""
        understood = []
        for ending in endings:
            try:
                understood.append(self._corrections.of(ending.work))
            except UnreadableFile as error:
                self._retirement.condemn(ending.work, Fault.of(error))
        self._corrections.commit(understood)
        self._retirement.retire([Ending(one.work.claim, one.work, one.work.result, one.total) for one in understood])

    def _still_same(self, work: Work) -> bool:
        """Whether the input is as it was when it was claimed; else it is begun anew, or was taken away."""
        now = look(work.claim.path, work.claim.name)
        if now is None:
            self._retirement.vanished(work)
            return False
        if unchanged(now, work.claim):
            return True
        if work.in_place:
            self._retirement.vanished(work)  # what lies there now is another input, which the scan finds by itself
            return False
        log.warning("input_changed", file=work.shown, inbox=work.inbox.name, consequence="processed anew")
        self._restart(work, replace(work.claim, size=now.size, mtime_ns=now.mtime_ns))
        return False

    def _has_result(self, work: Work) -> bool:
        """Whether the whole answer is there: an intent without one would be taken for published."""
        if look(str(work.result), "") is not None:
            return True
        log.error("result_missing", file=work.shown, inbox=work.inbox.name, consequence="processed anew")
        self._restart(work, work.claim)
        return False

    def _name(self, ending: Ending) -> bool:
        """Give one output its name; False if that cannot be had any more, and the input is begun anew."""
        work, part = ending.work, ending.part
        if look(str(part), "") is None:
            if self._landmarks.stands(part.parent) or _holds(work.inbox.output, work.output, ending.total.digest):
                return True  # it has its name already, or had it until a consumer took it away
            raise self._landmarks.missed(part.parent)
        if reachable(work.inbox.output, work.output) != work.output:
            return self._lost_its_name(work)  # a file or a link stands where a folder of the name should be
        make_granted_folders(work.target.parent, work.inbox.access)
        try:
            rename_exclusive(str(part), str(work.target))
        except FileExistsError:
            if not part.samefile(work.target):
                return self._lost_its_name(work)
            part.unlink()  # a crash came between the link and the unlink that stand in for a rename
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # The output folder was moved to another disk since the part was written.
            self._restart(work, work.claim)
            return False
        return True

    def _lost_its_name(self, work: Work) -> bool:
        log.warning("output_name_taken", file=work.shown, inbox=work.inbox.name, consequence="processed anew")
        self._restart(work, work.claim)
        return False

    def _restart(self, work: Work, claim: Claim) -> None:
        """Begin anew. The parts go last: until the ledger knows, their absence would mean that they were published."""
        stale = work.result
        self._again(work, claim)
        self._folders.discard(work.claim.id, stale)

    # ------------------------------------------------------------------ after a restart

    def resume(self, work: Work, entry: Entry) -> bool:
        """Take up an input where a crash left it; False if it is yet to be worked on."""
        total = PartReport(
            entry.claim.id,
            0,
            entry.records,
            entry.errors,
            entry.reviews,
            labels=entry.labels,
            digest=entry.digest or "",
        )
        part = Path(entry.part) if entry.part else work.result
        work.copy = part if part.name == hidden_name(work.claim.id) else None
        ending = Ending(work.claim, work, part, total)
        match entry.state:
            case "intent":
                self._finish([ending])
            case "published":
                self._retirement.retire([ending])
            case "condemned":
                self._retirement.carry_out(work, entry.fault or Fault("Unknown", "the reason was lost"))
            case "claimed" if look(work.claim.path, work.claim.name) is None:
                self._retirement.vanished(work)
            case "claimed" if work.in_place and not self._still_same(work):
                pass
            case _:
                return False
        return True


def _standing(folder: Path) -> Path:
    """The folder, or what is left above it: a consumer may have removed it together with the outputs."""
    while not folder.is_dir():
        folder = folder.parent
    return folder


def _holds(folder: Path, name: str, digest: str) -> bool:
    """Whether a file below a folder has the content of that digest."""
    try:
        with os.fdopen(beneath.open_file(folder, name, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return is_file and hashlib.file_digest(file, "sha256").hexdigest() == digest
    except OSError:
        return False
