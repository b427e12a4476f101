"""The daemon's main loop: scan, claim, plan, give to workers, publish. All decisions are made in this one thread."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import structlog

from classifyd import notify
from classifyd.config import Config, with_corrections
from classifyd.errors import ClassifydError, DiskFault
from classifyd.jobs import Claim, FileReport
from classifyd.ledger import Ledger
from classifyd.planning import Key
from classifyd.service import start
from classifyd.service.beat import Beat
from classifyd.service.choosing import Choosing, Pin
from classifyd.service.copies import Copies
from classifyd.service.corrections import Corrections
from classifyd.service.dispatch import Dispatcher
from classifyd.service.endings import Endings
from classifyd.service.engine import Engine
from classifyd.service.entrance import Entrance
from classifyd.service.holds import LEDGER, Breakers, Holds
from classifyd.service.intake import Intake
from classifyd.service.messages import Messages
from classifyd.service.outside import Outside
from classifyd.service.picture import Picture
from classifyd.service.publish import Publisher
from classifyd.service.remains import Remains, troubles
from classifyd.service.removals import Removals
from classifyd.service.rounds import Rounds
from classifyd.service.shifts import Shifts
from classifyd.service.succession import Succession
from classifyd.service.tasks import Tasks, Versions
from classifyd.service.watch import Watch
from classifyd.service.work import Folders, Work
from classifyd.web import Wish
from classifyd.workers import Outcome, Workers

log = structlog.get_logger()


class Daemon:
    """One running daemon. `stop` and `hang_up` may be called from a signal handler.

    `successor` is the configuration under which the next daemon is to go on; None if it simply ends. That one inherits
    the versions in `serving`: what was promoted but could not be taken up must not end it either. `corrections` takes
    what people say of texts, in the thread of the main loop.
    """

    def __init__(
        self,
        config: Config,
        *,
        once: bool,
        reread: Callable[[], Config] | None = None,
        inherited: Versions | None = None,
        outside: Outside | None = None,
        engine: Engine | None = None,
    ) -> None:
        self._engine = engine = engine or Engine()
        config = engine.fit(with_corrections(config))
        daemon = config.daemon
        self.successor: Config | None = None
        self._config = config
        self._once = once
        self._reread = reread
        self._hung_up = False
        self._end_is_told = False
        self._outside = outside = outside or Outside(config, served=False)
        self._messages = Messages()
        self._stop_by: float | None = None
        self._quarantined = 0
        self._lock = start.lock_state(daemon.state)
        self._folders = folders = Folders(daemon.state, start.daemon_id(daemon.state))
        self._notifier = notify.from_environment()
        self._ledger = Ledger(daemon.state / "ledger.sqlite")
        self._holds = Holds()
        self._breakers = Breakers()
        self._intakes = {i.name: Intake(i, folders, self._ledger, daemon.settle_seconds) for i in config.inboxes}
        self._rounds = Rounds(self._intakes, self._holds, daemon.scan_seconds)
        self._tasks = Tasks(config, inherited)
        make = engine.workers(config, folders, self._messages.put, outside.metrics.replaced)
        self._shifts = Shifts(daemon.workers, make)
        self._dispatcher = Dispatcher(daemon, self._ledger, self._shifts, self._holds, self._breakers, outside=outside)
        self._choosing = Choosing(daemon, self._tasks)
        self._succession = Succession(
            daemon, self._tasks, self._shifts, self._choosing, pinned=self._pinned, taken_over=self._taken_over
        )
        self._entrance = Entrance(
            config, self._tasks, self._ledger, self._dispatcher, folders=folders, holds=self._holds
        )
        claims = {name: intake.claims for name, intake in self._intakes.items()}
        self._copies = Copies(lambda: self._messages.put(None))
        removals = Removals(self._ledger, self._copies)
        self.corrections = Corrections(self._ledger, config.models)
        publisher = Publisher(
            self._ledger, folders, claims, removals, self.corrections, again=self._again, finished=self._finished
        )
        self._endings = Endings(publisher, self._dispatcher, self._ledger, self._holds)
        self._remains = Remains(self._intakes, self._entrance, self._dispatcher, self._endings)
        self._beat = Beat(
            daemon.state,
            self._dispatcher,
            self._succession,
            troubles=self._troubles,
            intakes=self._intakes,
            notifier=self._notifier,
            stuck=lambda: self._shifts.stuck,
            page=lambda: outside.page,
            nodes=engine.nodes,
        )
        self._picture = Picture(
            self._intakes, self._remains, self._dispatcher, self._shifts, self._succession, nodes=engine.nodes
        )
        self._watch = Watch(self._messages.put)

    @property
    def serving(self) -> Versions:
        """The versions in service, by task; none before any was loaded."""
        return self._succession.serving

    def stop(self) -> None:
        """Take nothing more, let the workers finish what they have, and end."""
        self.successor = None
        self._stop_by = time.monotonic() + self._config.daemon.drain_seconds
        self._messages.put(None)

    def hang_up(self) -> None:
        """Read the configuration again; if it is good, end for a daemon that goes on under it."""
        self._hung_up = True
        self._messages.put(None)

    def begin(self) -> None:
        """Load what is needed and take up what an earlier run left. ConfigError or UnavailableError ends the daemon."""
        try:
            self._begin()
        except start.Stopped:
            log.info("stopped_early")
        except BaseException:
            self._close()
            raise

    def run(self) -> int:
        """Work until stopped, or with `once` until nothing more can be taken; the exit code."""
        try:
            while not self._turn():
                pass
            return self._verdict()
        finally:
            if self.successor is None:
                self._notifier.stopping(0.0)
            self._close()

    # ------------------------------------------------------------------ beginning and end

    def _begin(self) -> None:
        self._outside.open(self._config)
        for intake in self._intakes.values():
            self.corrections.make_folders(intake.inbox)
            intake.hold()
        offers = start.loaded(
            self._tasks,
            self._shifts,
            self._succession,
            self._choosing,
            pinned=self._pinned_before(),
            warming=self._warming,
        )
        self._dispatcher.observed = {hook for plugin in offers.plugins for hook in plugin.hooks}
        for work, entry in self._entrance.recover(self._intakes):
            self._endings.take_up(work, entry)
        self._outside.remember(self._config.daemon.state / "ledger.sqlite")
        entries = self._ledger.open_entries()
        self._folders.remove_parts({entry.claim.id for entry in entries})
        intended = [Path(entry.part) for entry in entries if entry.part]
        for intake in self._intakes.values():
            intake.remove_leftovers([*intended, *(work.result for work in self._remains.works(intake))])
        if self._config.daemon.events and not self._once:
            self._watch.start({i.inbox.name: (i.inbox.path, i.inbox.recursive) for i in self._intakes.values()})
        count = self._config.daemon.workers
        log.info("started", inboxes=len(self._intakes), workers=count, recovered=len(self._dispatcher.works))
        self._outside.grant_by(self._messages.put)
        self._notifier.ready()

    def _warming(self, workers: Workers) -> start.Warming:
        return start.Warming(
            self._config,
            workers,
            self._messages,
            stopped=lambda: self._stop_by is not None,
            waiting=self._wait_for_models,
            missing=self._engine.missing,
        )

    def _pinned_before(self) -> tuple[Pin, ...]:
        """What the inputs that an earlier run left are pinned to, as far as these tasks still serve."""
        found = (pin for entry in self._ledger.open_entries() for pin in entry.versions.items())
        return tuple(dict.fromkeys(pin for pin in found if pin[0] in self._tasks.names))

    def _wait_for_models(self) -> None:
        self._notifier.loading()
        self._outside.loading()

    def _close(self) -> None:
        self._outside.grant_by(None)
        self._watch.stop()
        self._copies.stop()
        self._shifts.stop()
        for intake in self._intakes.values():
            intake.claims.release()
        self._beat.end()
        self._ledger.close()
        self._lock.release()

    def _verdict(self) -> int:
        waiting = self._remains.unfinished()
        for inbox, count in waiting.items():
            log.warning("still_waiting", inbox=inbox, files=count, reasons=self._troubles())
        quarantined = self._quarantined + sum(intake.put_aside for intake in self._intakes.values())
        log.info("stopped", quarantined=quarantined)
        return 1 if self._once and (quarantined or waiting) else 0

    # ------------------------------------------------------------------ the loop

    def _turn(self) -> bool:
        """One turn: what came in, and what follows from it. True when there is nothing more to do."""
        outcomes = self._wait()
        self._succession.receive(outcomes)
        results = self._dispatcher.receive(outcomes)
        self._endings.bring(results)
        self._endings.retry()
        self._repin(results.unloadable)
        if self._hung_up and self._stop_by is None:
            self._reload()
        if self._stop_by is None:
            self._succession.look()
            for intake in self._rounds.due():
                self._entrance.take(intake, list(self._remains.works(intake)))
            self._dispatch()
        self._shifts.check()
        if self._beat.beat():
            self._outside.show(self._picture.taken(self._troubles(), stopping=self._stop_by is not None))
        if self._stop_by is not None:
            self._tell_of_the_end()
            return self._dispatcher.busy == 0 or time.monotonic() > self._stop_by
        return self._once and self._rounds.begun and self._remains.drained(self._holds, self._breakers)

    def _tell_of_the_end(self) -> None:
        """Once, and not where another daemon goes on in this process: systemd ends a service that says it stops."""
        if self.successor is None and not self._end_is_told:
            self._end_is_told = True
            self._notifier.stopping(self._config.daemon.drain_seconds)

    def _wait(self) -> list[Outcome]:
        """Sleep until a message comes or something is due; the outcomes among all the messages that are there."""
        messages = [self._messages.next(self._rounds.seconds_to_wait())]
        while messages[-1] is not None:
            messages.append(self._messages.next())
        for message in messages:
            if isinstance(message, str):
                self._rounds.hint(message)
            elif isinstance(message, Wish):
                self.corrections.grant(message)
        return [message for message in messages if isinstance(message, Outcome)]

    def _reload(self) -> None:
        self._hung_up = False
        if self._reread is None:
            return
        self._notifier.reloading()
        try:
            successor = self._reread()
        except ClassifydError as error:
            log.error("reload_failed", error=str(error), consequence="the old configuration stays")
            self._outside.metrics.reloaded("refused")
            self._notifier.ready()
            return
        if self._stop_by is None:  # else a signal to stop came while the file was read
            log.info("reloading")
            self.stop()
            self.successor = successor

    def _dispatch(self) -> None:
        if self._holds.held(LEDGER):
            return
        try:
            self._dispatcher.dispatch()
            self._holds.release(LEDGER)
        except DiskFault as error:
            self._holds.hold_for(LEDGER, error, "nothing is taken")

    # ------------------------------------------------------------------ what becomes of inputs

    def _again(self, work: Work, claim: Claim) -> None:
        self._entrance.again(work, claim)
        self._endings.finished(work)

    def _repin(self, works: Sequence[Work]) -> None:
        """Inputs whose tasks cannot be loaded at the versions they were pinned to take those that serve now."""
        for work in works:
            try:
                if work.claim.id in self._dispatcher.works and self._entrance.repinned(work):
                    log.info("repinned", file=work.shown, inbox=work.inbox.name)
            except DiskFault as error:
                log.warning("not_repinned", file=work.shown, error=str(error))

    def _taken_over(self, tasks: tuple[str, ...]) -> None:
        """Inputs that wait for a task to recover need not wait any more: it now serves at another version."""
        recovered = {task for task in tasks if self._breakers.worked(task)}
        self._repin([work for work in self._dispatcher.works.values() if recovered & set(work.inbox.tasks)])

    def _pinned(self) -> Iterator[Key]:
        return (work.key for work in self._dispatcher.works.values())

    def _finished(self, work: Work, report: FileReport) -> None:
        self._endings.finished(work)
        self._entrance.forget(work)
        self._quarantined += report.state == "quarantined"
        self._outside.finished(report, work.target if report.output else None)
        self._dispatcher.tell(report)

    def _troubles(self) -> dict[str, str]:
        return troubles(self._holds, self._breakers, self._intakes)
