"""The inboxes of a daemon: held for it, with what an earlier run left in them taken up, and given back at the end."""

from pathlib import Path

from classifyd.config import Config
from classifyd.ledger import Ledger
from classifyd.planning import RANKS
from classifyd.service.corrections import Corrections
from classifyd.service.endings import Endings
from classifyd.service.entrance import Entrance
from classifyd.service.intake import Intake
from classifyd.service.remains import Remains
from classifyd.service.watch import Watch
from classifyd.service.work import Folders


class Inboxes:
    """An intake for each, by the inbox's name. `claims` are their claim folders."""

    def __init__(self, config: Config, folders: Folders, ledger: Ledger) -> None:
        settle = config.daemon.settle_seconds
        self.intakes = {inbox.name: Intake(inbox, folders, ledger, settle) for inbox in config.inboxes}
        self.claims = {name: intake.claims for name, intake in self.intakes.items()}
        self._folders = folders
        self._ledger = ledger

    @property
    def put_aside(self) -> int:
        """How many things were quarantined that no input can be."""
        return sum(intake.put_aside for intake in self.intakes.values())

    def rank(self, inbox: str) -> int:
        """The rank of an inbox's work, by its priority; of one that is none any more, the usual one."""
        intake = self.intakes.get(inbox)
        return RANKS[intake.inbox.priority if intake else "normal"]

    def hold(self, corrections: Corrections) -> None:
        """Take them for this daemon. UnavailableError if another one has one of them."""
        for intake in self.intakes.values():
            corrections.make_folders(intake.inbox)
            intake.hold()

    def take_up(self, entrance: Entrance, endings: Endings, remains: Remains) -> None:
        """Go on with the inputs that an earlier run left, and remove what is of no use to any of them."""
        for work, entry in entrance.recover(self.intakes):
            endings.take_up(work, entry)
        entries = self._ledger.open_entries()
        self._folders.remove_parts({entry.claim.id for entry in entries})
        intended = [Path(entry.part) for entry in entries if entry.part]
        for intake in self.intakes.values():
            intake.remove_leftovers([*intended, *(work.result for work in remains.works(intake))])

    def watch(self, watch: Watch) -> None:
        """Have changes in them tell."""
        watch.start({i.inbox.name: (i.inbox.path, i.inbox.recursive) for i in self.intakes.values()})

    def release(self) -> None:
        """Give them back."""
        for claims in self.claims.values():
            claims.release()
