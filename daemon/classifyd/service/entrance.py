"""How inputs come in: claimed with versions pinned and an output name reserved, or found again after a crash."""

import os
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from classifyd.config import Config, InboxConfig
from classifyd.errors import DiskFault
from classifyd.inbox.moves import free_names, reachable, shown
from classifyd.jobs import Claim
from classifyd.ledger import OPEN, Entry, Ledger
from classifyd.planning import Kind
from classifyd.service.aftermath import Aftermath
from classifyd.service.dispatch import Dispatcher
from classifyd.service.holds import Holds
from classifyd.service.intake import Intake, has_room
from classifyd.service.resuming import Resuming, is_there
from classifyd.service.tasks import Tasks
from classifyd.service.work import Folders, Work, answer_format, output_name

log = structlog.get_logger()

CLAIMS_PER_TURN = 256
ENDED = {"retired": "published", "quarantined": "condemned"}
"""The states of inputs that are through, and those from which their last step is made."""


class Entrance:
    """Turns what lies in the inboxes into works for the dispatcher."""

    def __init__(
        self,
        config: Config,
        tasks: Tasks,
        ledger: Ledger,
        dispatcher: Dispatcher,
        *,
        folders: Folders,
        holds: Holds,
    ) -> None:
        self._config = config
        self._tasks = tasks
        self._ledger = ledger
        self._dispatcher = dispatcher
        self._folders = folders
        self._holds = holds
        self._resuming = Resuming(ledger, dispatcher, Aftermath(folders.breadcrumbs), again=self.again)
        self._reserved: set[Path] = set()
        self._unrecorded: list[tuple[Entry, Work]] = []

    def heed(self, config: Config) -> None:
        """From now on go by this configuration; what is claimed already goes by the one it was claimed under."""
        self._config = config

    @property
    def unrecorded(self) -> list[Work]:
        """Inputs that are claimed, but that the ledger could not take yet."""
        return [work for _, work in self._unrecorded]

    # ------------------------------------------------------------------ from the inboxes

    def take(self, intake: Intake, held: list[Work], *, paused: bool) -> list[tuple[Work, Entry]]:
        """Scan an inbox and claim what has settled and fits its limits; `held` is what is claimed of it already.

        Of one that is paused, what waits is counted and nothing is claimed. Inputs that were found claimed, though they
        are not held, and whose last steps had begun are returned with their entries.
        """
        inbox = intake.inbox
        ending: list[tuple[Work, Entry]] = []
        try:
            self._record()
            if paused or not intake.backlog:
                intake.scan(time.monotonic())
                ending.extend(self._missed(intake, held))
            if intake.backlog and not paused:
                self._take(intake, held)
            elif not held and self._holds.release(inbox.name):
                log.info("inbox_usable_again", inbox=inbox.name)
        except (OSError, DiskFault) as error:
            self._holds.hold_for(inbox.name, error, "its inputs wait")
        except Exception as error:  # no input is to end the daemon, now and at each start
            log.exception("not_foreseen")
            self._holds.hold_for(inbox.name, error, "its inputs wait")
        return ending

    def _take(self, intake: Intake, held: list[Work]) -> None:
        inbox = intake.inbox
        intake.prepare()
        for folder in (inbox.output, self._folders.state):
            if not has_room(folder, self._config.daemon.min_free_bytes):
                raise DiskFault(f"{folder}: less than {self._config.daemon.min_free_bytes:,} bytes are free; free some")
        if self._holds.release(inbox.name):
            log.info("inbox_usable_again", inbox=inbox.name)
        files = min(CLAIMS_PER_TURN, inbox.max_claimed_files - len(held))
        room = inbox.max_claimed_bytes - sum(work.claim.size for work in held)
        versions = self._tasks.current(inbox)
        for claim, identity in intake.claim(files, room):
            self._unrecorded.append(self._new(inbox, claim, versions, identity))
        self._record()

    def _new(
        self, inbox: InboxConfig, claim: Claim, versions: Mapping[str, int | None], identity: str | None
    ) -> tuple[Entry, Work]:
        seconds = self._config.daemon.split_seconds
        kind = Kind(inbox.name, frozenset(inbox.tasks), ranges=True)
        size = self._dispatcher.rates.split_bytes(kind, seconds, claim.size)
        work = self._work(inbox, claim, versions, size)
        work.output = self._free_output(work)
        return Entry(claim, "claimed", versions, work.split_bytes, work.output, identity), work

    def _record(self) -> None:
        """Commit new claims to the ledger, then hand them on; after a fault of the disk they are tried again."""
        if not self._unrecorded:
            return
        with self._ledger.commit():
            for entry, _ in self._unrecorded:
                self._ledger.claimed(entry)
        works, self._unrecorded = [work for _, work in self._unrecorded], []
        for work in works:
            log.info("claimed", file=work.shown, inbox=work.inbox.name, bytes=work.claim.size)
            self._dispatcher.add(work)

    # ------------------------------------------------------------------ once more

    def again(self, work: Work, claim: Claim) -> None:
        """Begin an input anew, as it is now and under the versions that serve now. DiskFault leaves it as it was."""
        self.forget(work)
        versions = self._tasks.current(work.inbox)
        fresh = self._work(work.inbox, claim, versions, work.split_bytes)
        fresh.output = self._free_output(fresh)
        with self._ledger.commit():
            self._ledger.restart(claim, fresh.output, versions)
        work.begin_anew(claim, fresh.tasks, fresh.output)
        self._dispatcher.add(work)

    def repinned(self, work: Work) -> bool:
        """Begin anew an input that is pinned to versions that no longer serve; False if they still do."""
        if {spec.name: spec.version for spec in work.tasks} == self._tasks.current(work.inbox):
            return False
        self.again(work, work.claim)
        return True

    def forget(self, work: Work) -> None:
        """The input is finished: its output's name is no longer reserved."""
        self._reserved.discard(work.target)

    # ------------------------------------------------------------------ after a crash

    def recover(self, intakes: Mapping[str, Intake], others: Collection[str] = ()) -> Iterator[tuple[Work, Entry]]:
        """Take up what an earlier run left in these; inputs whose last steps had begun are returned with their entries.

        Inputs of `others` were taken up before.
        """
        lying = {claim.id: claim for intake in intakes.values() for claim in self._lying(intake)}
        for entry in self._ledger.open_entries():
            claim = lying.pop(entry.claim.id, None)
            if entry.claim.inbox in others:
                continue
            if entry.claim.inbox not in intakes:
                log.warning("inbox_gone", inbox=entry.claim.inbox, file=shown(entry.claim.name))
                continue
            yield from self._taken_up(intakes[entry.claim.inbox].inbox, entry, claim)
        for claim in lying.values():
            yield from self._found(intakes[claim.inbox], claim)
        self._record()

    def _missed(self, intake: Intake, held: list[Work]) -> Iterator[tuple[Work, Entry]]:
        """The same for what lies claimed in an inbox that is in use, though nothing is in work for it.

        The folder was away while its end was looked for, or a disk did not say what had just been claimed.
        """
        if intake.inbox.take == "leave":
            return
        for claim in intake.claims.found({work.claim.id for work in held}):
            log.warning("found_again", file=shown(claim.name), inbox=claim.inbox)
            yield from self._found(intake, claim)
        self._record()

    def _lying(self, intake: Intake) -> Iterator[Claim]:
        if intake.inbox.take == "leave":
            return
        adopted = intake.claims.adopt(lambda claim: self._ledger.entry(claim) is not None)
        if adopted:
            log.info("claims_adopted", inbox=intake.inbox.name, claims=adopted)
        for why in intake.unsure.values():
            log.error("claim_left", inbox=intake.inbox.name, error=why)
        yield from intake.claims.found()

    def _found(self, intake: Intake, claim: Claim) -> Iterator[tuple[Work, Entry]]:
        inbox, entry = intake.inbox, self._ledger.entry(claim.id)
        if entry is not None and entry.state in OPEN:
            yield from self._taken_up(inbox, entry, claim)
        elif entry is not None and entry.state in ENDED:
            # A power cut, or a folder that was away, undid the last move: it is made again, the input is not.
            yield self._known(inbox, entry, claim), replace(entry, state=ENDED[entry.state])
        elif entry is None and intake.claims.leave_if_marked(claim):
            log.error("claim_left", inbox=inbox.name, error=list(intake.unsure.values())[-1])
        else:
            # A crash came between the rename and its commit, or the ledger was lost: the claim itself says enough.
            self._unrecorded.append(self._new(inbox, claim, self._tasks.current(inbox), None))

    def _taken_up(self, inbox: InboxConfig, entry: Entry, claim: Claim | None) -> Iterator[tuple[Work, Entry]]:
        work = self._known(inbox, entry, claim)
        self._reserved.add(work.target)
        if entry.state != "claimed" or not is_there(work):
            yield work, entry
        elif (fault := self._resuming.go_on(work, entry)) is not None:
            yield work, replace(entry, fault=fault)

    def _known(self, inbox: InboxConfig, entry: Entry, lying: Claim | None) -> Work:
        claim = replace(entry.claim, path=lying.path) if lying else entry.claim
        # A task that the inbox did not have when the input was claimed has no version pinned: it takes today's.
        pinned = {task: version for task, version in entry.versions.items() if version is not None}
        work = self._work(inbox, claim, self._tasks.current(inbox) | pinned, entry.split_bytes)
        work.output = entry.output
        return work

    # ------------------------------------------------------------------ helpers

    def _work(self, inbox: InboxConfig, claim: Claim, versions: Mapping[str, int | None], split_bytes: int) -> Work:
        output = output_name(claim.name, answer_format(inbox.format, claim.name))
        return Work(claim, inbox, self._tasks.specs(inbox.tasks, versions), output, split_bytes, self._folders)

    def _free_output(self, work: Work) -> str:
        """The first of the output's names that is neither taken nor reserved; reserved from now on."""
        folder = work.inbox.output
        for target in free_names(folder / reachable(folder, work.output)):
            if target not in self._reserved and not os.path.lexists(target):
                self._reserved.add(target)
                return str(target.relative_to(folder))
        raise AssertionError("names never run out")
