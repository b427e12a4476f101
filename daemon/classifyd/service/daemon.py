"""The daemon's main loop: scan, claim, plan, give to workers, publish. All decisions are made in this one thread."""

import time
from collections.abc import Callable, Iterator
from functools import partial

import structlog

from classifyd import notify
from classifyd.config import Config, with_corrections
from classifyd.ledger import Ledger
from classifyd.planning import Key
from classifyd.service import start
from classifyd.service.corrections import Corrections
from classifyd.service.crew import Crew
from classifyd.service.decided import Reviewed
from classifyd.service.engine import Engine
from classifyd.service.messages import Messages
from classifyd.service.outside import Outside
from classifyd.service.passage import Passage
from classifyd.service.receivers import Receivers
from classifyd.service.reload import Reload
from classifyd.service.retention import Retention
from classifyd.service.showing import Showing
from classifyd.service.tasks import Versions
from classifyd.service.watch import Watch
from classifyd.service.work import Folders
from classifyd.web import Wish
from classifyd.workers import Outcome

log = structlog.get_logger()


class Daemon:
    """One running daemon. `stop` and `hang_up` may be called from a signal handler.

    `config` is the configuration in force. `successor` is the one under which the next daemon is to go on; None if it
    simply ends. That one inherits the versions in `serving`: what was promoted but could not be taken up must not end
    it either. `corrections` takes what people say of texts, in the thread of the main loop.
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
        engine = engine or Engine()
        config = engine.fit(with_corrections(config))
        daemon = config.daemon
        self._engine = engine
        self.config = config
        self._once = once
        self._end_is_told = False
        self._outside = outside = outside or Outside(config, served=False)
        self._messages = Messages()
        self._stop_by: float | None = None
        self._lock = start.lock_state(daemon.state)
        folders = Folders(daemon.state, start.daemon_id(daemon.state))
        self._notifier = notify.from_environment()
        self._ledger = Ledger(daemon.state / "ledger.sqlite")
        self.corrections = Corrections(self._ledger, config.models)
        self._receivers = Receivers(config.receivers, self._ledger, outside.metrics.told)
        self._crew = crew = Crew(
            config,
            engine,
            folders,
            self._messages,
            inherited,
            replaced=outside.metrics.replaced,
            pinned=self._pinned,
            taken_over=self._taken_over,
        )
        self._reload = Reload(reread, crew, self._heed, notifier=self._notifier, outside=outside)
        self._watch = Watch(self._messages.put)
        self._passage = passage = Passage(
            config,
            folders,
            self._ledger,
            crew,
            corrections=self.corrections,
            receivers=self._receivers,
            outside=outside,
            watch=self._watch,
            wake=partial(self._messages.put, None),
        )
        self._showing = Showing(
            daemon.state,
            passage,
            crew,
            engine,
            receivers=self._receivers,
            notifier=self._notifier,
            outside=outside,
        )
        self._retention = Retention(
            config.inboxes, self._ledger, told=partial(self._messages.put, None), removed=outside.metrics.swept
        )
        self._reviewed = Reviewed(config.inboxes, self._ledger, daemon.state)

    @property
    def successor(self) -> Config | None:
        """The configuration for which the workers have to be made anew."""
        return self._reload.successor

    @property
    def serving(self) -> Versions:
        """The versions in service, by task; none before any was loaded."""
        return self._crew.succession.serving

    def stop(self) -> None:
        """Take nothing more, let the workers finish what they have, and end."""
        self._reload.successor = None
        self._end()

    def _end(self) -> None:
        self._stop_by = time.monotonic() + self.config.daemon.drain_seconds
        self._messages.put(None)

    @property
    def unheard(self) -> bool:
        """Whether somebody has hung up since the configuration was last read."""
        return self._reload.asked

    def hang_up(self) -> None:
        """Read the configuration again and go on under it; as another daemon if workers have to be made anew for it."""
        self._reload.ask()
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
        self._outside.open(self.config)
        self._receivers.begin(self.config.daemon.state / "ledger.sqlite")
        self._passage.hold()
        offers = self._crew.begin(
            [pin for entry in self._ledger.open_entries() for pin in entry.versions.items()],
            stopped=lambda: self._stop_by is not None,
            waiting=self._wait_for_models,
        )
        self._passage.dispatcher.observed = {hook for plugin in offers.plugins for hook in plugin.hooks}
        self._passage.take_up()
        self._outside.remember(self.config.daemon.state)
        if self.config.daemon.events and not self._once:
            self._passage.inboxes.watch()
        inboxes, works = len(self._passage.inboxes.intakes), len(self._passage.dispatcher.works)
        log.info("started", inboxes=inboxes, workers=self.config.daemon.workers, recovered=works)
        self._outside.grant_by(self._messages.put)
        self._receivers.forget_others()
        self._notifier.ready()

    def _wait_for_models(self) -> None:
        self._notifier.loading()
        self._outside.loading()

    def _close(self) -> None:
        self._outside.grant_by(None)
        self._watch.stop()
        self._passage.stop_copies()
        self._retention.stop()
        self._reviewed.stop()
        self._receivers.stop()
        self._crew.shifts.stop()
        self._passage.inboxes.release()
        self._showing.end()
        self._outside.keep(self.config.daemon.state, at_once=True)
        self._ledger.close()
        self._lock.release()

    def _verdict(self) -> int:
        waiting = self._passage.remains.unfinished()
        for inbox, count in waiting.items():
            paused = {f"inbox {inbox}": "paused"} if inbox in self._passage.pauses else {}
            log.warning("still_waiting", inbox=inbox, files=count, reasons=self._passage.troubles() | paused)
        quarantined = self._passage.quarantined
        log.info("stopped", quarantined=quarantined)
        return 1 if self._once and (quarantined or waiting) else 0

    # ------------------------------------------------------------------ the loop

    def _turn(self) -> bool:
        """One turn: what came in, and what follows from it. True when there is nothing more to do."""
        outcomes = self._wait()
        self._engine.check()
        self._crew.succession.receive(outcomes)
        self._passage.receive(outcomes)
        if self._stop_by is None:
            self._reload.look(self.config)
            if self.successor is not None and self._stop_by is None:  # else a signal to stop came meanwhile
                self._end()
        if self._stop_by is None:
            self._crew.succession.look()
            self._passage.go_on()
            self._retention.go_on()
            if not self._once:
                self._reviewed.go_on()
        self._receivers.settle()
        self._crew.shifts.check()
        self._showing.go_on(stopping=self._stop_by is not None)
        if self._stop_by is not None:
            self._tell_of_the_end()
            return self._passage.dispatcher.busy == 0 or time.monotonic() > self._stop_by
        return self._once and self._through()

    def _through(self) -> bool:
        """Whether nothing is left to do that could be done now."""
        return self._passage.drained and self._retention.swept_once and self._receivers.through

    def _tell_of_the_end(self) -> None:
        """Once, and not where another daemon goes on in this process: systemd ends a service that says it stops."""
        if self.successor is None and not self._end_is_told:
            self._end_is_told = True
            self._notifier.stopping(self.config.daemon.drain_seconds)

    def _wait(self) -> list[Outcome]:
        """Sleep until a message comes or something is due; the outcomes among all the messages that are there."""
        messages = self._messages.gathered(self._passage.rounds.seconds_to_wait())
        for message in messages:
            if isinstance(message, str):
                self._passage.rounds.hint(message)
            elif isinstance(message, Wish):
                self.corrections.grant(message)
        return [message for message in messages if isinstance(message, Outcome)]

    def _heed(self, config: Config) -> None:
        """From now on go by this configuration. ClassifydError leaves everything as it was."""
        self._passage.heed(config)
        self._retention.heed(config.inboxes)
        self._reviewed.heed(config.inboxes)
        self.config = config

    # ------------------------------------------------------------------ what the crew asks and tells

    def _pinned(self) -> Iterator[Key]:
        return self._passage.fates.pinned()

    def _taken_over(self, tasks: tuple[str, ...]) -> None:
        self._passage.fates.taken_over(tasks)
