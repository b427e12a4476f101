"""The way of every input: in by the entrance, through the dispatcher to the workers, and to its end."""

from collections.abc import Callable, Iterable

from classifyd.config import Config
from classifyd.errors import ClassifydError, DiskFault
from classifyd.ledger import Ledger
from classifyd.service.copies import Copies
from classifyd.service.corrections import Corrections
from classifyd.service.crew import Crew
from classifyd.service.dispatch import Dispatcher
from classifyd.service.endings import Endings
from classifyd.service.entrance import Entrance
from classifyd.service.fates import Fates
from classifyd.service.holds import LEDGER, Breakers, Holds
from classifyd.service.inboxes import Inboxes
from classifyd.service.outside import Outside
from classifyd.service.publish import Publisher
from classifyd.service.receivers import Receivers
from classifyd.service.remains import Remains, troubles
from classifyd.service.removals import Removals
from classifyd.service.retire import Retirement
from classifyd.service.rounds import Rounds
from classifyd.service.steering import Cancelling, Pauses
from classifyd.service.watch import Watch
from classifyd.service.work import Folders, Work
from classifyd.workers import Outcome


class Passage:
    """Its parts, and a turn of them. `wake` has the main loop look again; it may be called from another thread."""

    def __init__(
        self,
        config: Config,
        folders: Folders,
        ledger: Ledger,
        crew: Crew,
        *,
        corrections: Corrections,
        receivers: Receivers,
        outside: Outside,
        watch: Watch,
        wake: Callable[[], None],
    ) -> None:
        self._outside = outside
        self._crew = crew
        self._holds = Holds()
        self._breakers = Breakers()
        self.inboxes = Inboxes(config, folders, ledger, corrections, watch)
        self.pauses = Pauses(config.daemon.state)
        self.rounds = Rounds(self.inboxes.intakes, self._holds, self.pauses, config.daemon.scan_seconds)
        self.dispatcher = Dispatcher(
            config.daemon,
            ledger,
            crew.shifts,
            self._holds,
            self._breakers,
            pauses=self.pauses,
            rank=self.inboxes.rank,
            outside=outside,
        )
        self._entrance = Entrance(config, crew.tasks, ledger, self.dispatcher, folders=folders, holds=self._holds)
        self.fates = Fates(
            self._entrance,
            self.dispatcher,
            self._breakers,
            outside,
            settled=self._settled,
        )
        self._copies = Copies(wake)
        retirement = Retirement(
            ledger,
            folders,
            self.inboxes.claims,
            Removals(ledger, self._copies),
            receivers=receivers,
            finished=self.fates.finished,
        )
        publisher = Publisher(ledger, folders, self.inboxes.claims, corrections, retirement, again=self.fates.again)
        self._endings = Endings(publisher, retirement, self.dispatcher, ledger, self._holds)
        self._cancelling = Cancelling(config.daemon.state, ledger, self.dispatcher, self._endings)
        self.remains = Remains(self.inboxes.intakes, self._entrance, self.dispatcher, self._endings)

    def hold(self) -> None:
        """Take the inboxes for this daemon. UnavailableError if another one has one of them."""
        self.pauses.begin()
        self._cancelling.begin()
        self.inboxes.hold()

    def take_up(self) -> None:
        """Go on with what an earlier run left."""
        self.inboxes.take_up(self._entrance, self._endings, self.remains)

    def receive(self, outcomes: Iterable[Outcome]) -> None:
        """Take in how jobs ended, and bring to their end the inputs that have come to it."""
        results = self.dispatcher.receive(outcomes)
        self._endings.bring(results)
        self._endings.retry()
        self.fates.repin(results.unloadable)

    def go_on(self) -> None:
        """Claim what is due, and give every free worker something to do."""
        self.inboxes.settle(self._entrance, self._endings, self.remains)
        self.pauses.look()
        self._cancelling.look()
        for intake in self.rounds.due():
            held, paused = list(self.remains.works(intake)), intake.inbox.name in self.pauses
            for work, entry in self._entrance.take(intake, held, paused=paused):
                self._endings.take_up(work, entry)
        if self._holds.held(LEDGER):
            return
        try:
            self.dispatcher.dispatch()
            self._holds.release(LEDGER)
        except DiskFault as error:
            self._holds.hold_for(LEDGER, error, "nothing is taken")

    def heed(self, config: Config) -> None:
        """From now on go by this configuration. ClassifydError leaves everything as it was.

        What is claimed already goes by the settings it was claimed with.
        """
        arriving = self.inboxes.arriving(config)
        before = self._outside.config
        try:
            self._outside.open(config)
        except (ClassifydError, OSError):
            self.inboxes.give_up(arriving)
            self._outside.open(before)
            raise
        self._crew.heed(config)
        self._entrance.heed(config)
        self.dispatcher.lines.heed(config.daemon)
        self.inboxes.heed(config, arriving)
        self.rounds.heed(config.daemon.scan_seconds)
        for inbox in config.inboxes:
            self._holds.release(inbox.name)  # perhaps it is what was changed for

    @property
    def drained(self) -> bool:
        """Whether nothing is left but what cannot go on."""
        return self.rounds.begun and self.remains.drained(self._holds, self._breakers, self.pauses)

    @property
    def quarantined(self) -> int:
        """How many inputs were."""
        return self.fates.quarantined + self.inboxes.put_aside

    def troubles(self) -> dict[str, str]:
        """What is held back and why."""
        return troubles(self._holds, self._breakers, self.inboxes.intakes, self._endings)

    def blocked(self, work: Work) -> bool:
        """Whether an input has to wait for what is held back."""
        return self.dispatcher.lines.blocked(work.key)

    def stop_copies(self) -> None:
        """End the copying of inputs to other file systems; it is taken up again."""
        self._copies.stop()

    def _settled(self, work: Work) -> None:
        self._endings.settled(work)
