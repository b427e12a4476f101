"""The inboxes of a daemon: held for it, with what an earlier run left in them taken up, and given back at the end.

They may change while it runs. One that goes, or moves to another folder, is left only when all that was claimed of it
is done, under the settings it was claimed with; one that comes is begun as at a start.
"""

from pathlib import Path

import structlog

from classifyd.config import Config, InboxConfig
from classifyd.errors import ClassifydError, DiskFault, UnavailableError
from classifyd.ledger import Ledger
from classifyd.planning import RANKS
from classifyd.service.corrections import Corrections
from classifyd.service.endings import Endings
from classifyd.service.entrance import Entrance
from classifyd.service.intake import Intake
from classifyd.service.remains import Remains
from classifyd.service.watch import Watch
from classifyd.service.work import Folders

log = structlog.get_logger()


class Inboxes:
    """An intake for each, by the inbox's name. `claims` are their claim folders."""

    def __init__(
        self, config: Config, folders: Folders, ledger: Ledger, corrections: Corrections, watch: Watch
    ) -> None:
        self._config = config
        self._folders = folders
        self._ledger = ledger
        self._corrections = corrections
        self._watch = watch
        self.intakes = {inbox.name: self._intake(inbox) for inbox in config.inboxes}
        self.claims = {name: intake.claims for name, intake in self.intakes.items()}
        self._coming: dict[str, Intake] = {}

    @property
    def put_aside(self) -> int:
        """How many things were quarantined that no input can be."""
        return sum(intake.put_aside for intake in self.intakes.values())

    def rank(self, inbox: str) -> int:
        """The rank of an inbox's work, by its priority."""
        return RANKS[self.intakes[inbox].inbox.priority if inbox in self.intakes else "normal"]

    # ------------------------------------------------------------------ beginning and end

    def hold(self) -> None:
        """Take them for this daemon. UnavailableError if another one has one of them."""
        for intake in self.intakes.values():
            self._hold(intake)

    def take_up(self, entrance: Entrance, endings: Endings, remains: Remains) -> None:
        """Go on with the inputs that an earlier run left, and remove what is of no use to any of them."""
        for work, entry in entrance.recover(self.intakes):
            endings.take_up(work, entry)
        entries = self._ledger.open_entries()
        self._folders.remove_parts({entry.claim.id for entry in entries})
        intended = [Path(entry.part) for entry in entries if entry.part]
        for intake in self.intakes.values():
            intake.remove_leftovers([*intended, *(work.result for work in remains.works(intake))])

    def watch(self) -> None:
        """Have changes in them tell."""
        self._watch.start()
        for intake in self.intakes.values():
            self._follow(intake)

    def release(self) -> None:
        """Give them back."""
        for intake in (*self.intakes.values(), *self._coming.values()):
            intake.claims.release()

    # ------------------------------------------------------------------ while the daemon runs

    def arriving(self, config: Config) -> list[Intake]:
        """The intakes of inboxes that are new in a configuration, held. UnavailableError, with none held, if one is.

        One in a folder that is ours until the inbox that was there is left can be held only then.
        """
        still_coming, held = [], []
        try:
            for inbox in config.inboxes:
                if _fits(self._coming.get(inbox.name), inbox):
                    still_coming.append(self._coming[inbox.name])
                elif _fits(self.intakes.get(inbox.name), inbox):
                    self._make_folders(inbox)
                else:
                    held.append(self._intake(inbox))
                    if not self._is_ours(inbox):
                        self._hold(held[-1])
        except ClassifydError:
            self.give_up(held)
            raise
        return still_coming + held

    def give_up(self, arriving: list[Intake]) -> None:
        """Give back what was held in vain; what was coming before still is."""
        for intake in arriving:
            if intake is not self._coming.get(intake.inbox.name):
                intake.claims.release()

    def heed(self, config: Config, arriving: list[Intake]) -> None:
        """From now on have the inboxes of this configuration, of which these are `arriving`."""
        self._config = config
        wanted = {inbox.name: inbox for inbox in config.inboxes}
        before, self._coming = self._coming, {intake.inbox.name: intake for intake in arriving}
        self.give_up(list(before.values()))
        for name, intake in self._coming.items():
            intake.heed(wanted[name], config.daemon.settle_seconds)
        for name, intake in self.intakes.items():
            inbox = wanted.get(name)
            if inbox is not None and name not in self._coming:
                elsewhere = intake.leaving or intake.inbox.recursive != inbox.recursive
                intake.heed(inbox, config.daemon.settle_seconds)
                if elsewhere:
                    self._follow(intake)
            elif not intake.leaving:
                intake.leave()
                self._watch.forget(name)

    def settle(self, entrance: Entrance, endings: Endings, remains: Remains) -> None:
        """Leave the inboxes of which nothing is in work any more, and begin those that were waited for."""
        for intake in [intake for intake in self.intakes.values() if intake.leaving]:
            if next(remains.works(intake), None) is None:
                del self.intakes[intake.inbox.name]
                self.claims.pop(intake.inbox.name).release()
                log.info("inbox_left", inbox=intake.inbox.name, path=str(intake.inbox.path))
        for name, intake in list(self._coming.items()):
            if name not in self.intakes and not self._is_ours(intake.inbox):
                del self._coming[name]
                self._enter(name, intake, entrance, endings)

    # ------------------------------------------------------------------ helpers

    def _intake(self, inbox: InboxConfig) -> Intake:
        return Intake(inbox, self._folders, self._ledger, self._config.daemon.settle_seconds)

    def _hold(self, intake: Intake) -> None:
        self._make_folders(intake.inbox)
        intake.hold()

    def _make_folders(self, inbox: InboxConfig) -> None:
        try:
            self._corrections.make_folders(inbox)
        except OSError as error:
            raise UnavailableError(f"{error.filename or inbox.path}: {error.strerror}; mend it") from error

    def _enter(self, name: str, intake: Intake, entrance: Entrance, endings: Endings) -> None:
        try:
            if not intake.claims.is_held:
                self._hold(intake)
        except ClassifydError as error:
            log.error("inbox_not_begun", inbox=name, error=str(error), consequence="mend it and send HUP again")
            return
        others = set(self.intakes)
        self.intakes[name] = intake
        self.claims[name] = intake.claims
        self._follow(intake)
        try:
            for work, entry in entrance.recover({name: intake}, others):
                endings.take_up(work, entry)
        except (OSError, DiskFault) as error:
            log.error(
                "not_taken_up", inbox=name, error=str(error), consequence="what was left in it waits for a restart"
            )
        log.info("inbox_begun", inbox=name, path=str(intake.inbox.path))

    def _is_ours(self, inbox: InboxConfig) -> bool:
        """Whether another intake has that folder, for a while still."""
        return any(intake.inbox.path == inbox.path for intake in self.intakes.values())

    def _follow(self, intake: Intake) -> None:
        self._watch.follow(intake.inbox.name, intake.inbox.path, recursive=intake.inbox.recursive)


def _fits(intake: Intake | None, inbox: InboxConfig) -> bool:
    """Whether that is the inbox's intake: the folder is the same, and what becomes of inputs there."""
    return intake is not None and (intake.inbox.path, intake.inbox.take) == (inbox.path, inbox.take)
