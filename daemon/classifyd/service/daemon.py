"""The daemon's main loop: scan, claim, plan, give to workers, publish. All decisions are made in this one thread."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

import structlog

from classifyd import notify
from classifyd.config import Config
from classifyd.errors import BundleError, ClassifydError, DiskFault
from classifyd.jobs import Claim, FileReport, Observe
from classifyd.ledger import Ledger
from classifyd.service import start
from classifyd.service.beat import Beat
from classifyd.service.dispatch import Dispatcher
from classifyd.service.endings import Endings
from classifyd.service.entrance import Entrance
from classifyd.service.holds import LEDGER, Breakers, Holds
from classifyd.service.intake import Intake
from classifyd.service.publish import Publisher
from classifyd.service.tasks import Tasks
from classifyd.service.watch import Watch
from classifyd.service.work import Folders, Work
from classifyd.workers import LocalWorkers, Outcome

log = structlog.get_logger()

SCAN_SHARE = 0.1
"""At most this share of the time goes into scanning an inbox."""

Message = Outcome | str | None
"""What wakes the loop: how a job ended, the inbox in which something moved, or a signal."""


class Daemon:
    """One running daemon. `stop` and `hang_up` may be called from a signal handler.

    `successor` is the configuration under which the next daemon is to go on; None if it simply ends.
    """

    def __init__(self, config: Config, *, once: bool, reread: Callable[[], Config] | None = None) -> None:
        daemon = config.daemon
        self.successor: Config | None = None
        self._config = config
        self._once = once
        self._reread = reread
        self._hung_up = False
        self._messages: SimpleQueue[Message] = SimpleQueue()
        self._hinted: set[str] = set()
        self._next_scan = 0.0
        self._stop_by: float | None = None
        self._quarantined = 0
        self._lock = start.lock_state(daemon.state)
        folders = Folders(daemon.state, start.daemon_id(daemon.state))
        self._notifier = notify.from_environment()
        self._ledger = Ledger(daemon.state / "ledger.sqlite")
        logging = (daemon.log_format, daemon.log_level)
        self._workers = LocalWorkers(daemon.workers, folders.breadcrumbs, self._messages.put, *logging)
        self._holds = Holds()
        self._breakers = Breakers()
        self._intakes = {i.name: Intake(i, folders, self._ledger, daemon.settle_seconds) for i in config.inboxes}
        self._dispatcher = Dispatcher(daemon, self._ledger, self._workers, self._holds, self._breakers)
        self._tasks = Tasks(config)
        self._entrance = Entrance(config, self._ledger, self._dispatcher, folders, self._holds)
        claims = {name: intake.claims for name, intake in self._intakes.items()}
        publisher = Publisher(self._ledger, folders, claims, self._again, self._finished)
        self._endings = Endings(publisher, self._dispatcher, self._ledger, self._holds)
        self._beat = Beat(daemon.state, self._dispatcher, self._troubles, self._intakes, self._notifier)
        self._watch = Watch(self._messages.put)

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
            self._close()

    # ------------------------------------------------------------------ beginning and end

    def _begin(self) -> None:
        for intake in self._intakes.values():
            intake.hold()
        warming = start.Warming(self._config, self._workers, self._messages, lambda: self._stop_by is not None)
        offers = warming.run(self._tasks.in_service())
        self._dispatcher.observed = any("file_done" in plugin.hooks for plugin in offers.plugins)
        for work, entry in self._entrance.recover(self._intakes):
            self._endings.take_up(work, entry)
        intended = [Path(entry.part) for entry in self._ledger.open_entries() if entry.part]
        for intake in self._intakes.values():
            intake.remove_leftovers([*intended, *(work.result for work in self._works(intake))])
        if self._config.daemon.events and not self._once:
            self._watch.start({i.inbox.name: (i.inbox.path, i.inbox.recursive) for i in self._intakes.values()})
        self._notifier.ready()
        workers = self._config.daemon.workers
        log.info("started", inboxes=len(self._intakes), workers=workers, recovered=len(self._dispatcher.works))

    def _close(self) -> None:
        self._notifier.stopping()
        self._watch.stop()
        self._workers.stop()
        for intake in self._intakes.values():
            intake.claims.release()
        self._beat.end()
        self._ledger.close()
        self._lock.release()

    def _verdict(self) -> int:
        waiting = {name: count for name, count in map(self._unfinished, self._intakes.values()) if count}
        for inbox, count in waiting.items():
            log.warning("still_waiting", inbox=inbox, files=count, reasons=self._troubles())
        quarantined = self._quarantined + sum(intake.put_aside for intake in self._intakes.values())
        log.info("stopped", quarantined=quarantined)
        return 1 if self._once and (quarantined or waiting) else 0

    # ------------------------------------------------------------------ the loop

    def _turn(self) -> bool:
        """One turn: what came in, and what follows from it. True when there is nothing more to do."""
        results = self._dispatcher.receive(self._wait())
        self._endings.bring(results)
        self._endings.retry()
        self._repin(results.unloadable)
        if self._hung_up and self._stop_by is None:
            self._reload()
        if self._stop_by is None:
            self._scan()
            self._dispatch()
        self._workers.check()
        self._beat.beat()
        if self._stop_by is not None:
            return self._dispatcher.busy == 0 or time.monotonic() > self._stop_by
        return self._once and self._drained()

    def _wait(self) -> list[Outcome]:
        """Sleep until a message comes or something is due; the outcomes among all the messages that are there."""
        messages = [self._next_message(self._seconds_to_wait())]
        while messages[-1] is not None:
            messages.append(self._next_message(0))
        self._hinted.update(message for message in messages if isinstance(message, str))
        return [message for message in messages if isinstance(message, Outcome)]

    def _next_message(self, seconds: float) -> Message:
        try:
            return self._messages.get(timeout=seconds) if seconds else self._messages.get_nowait()
        except Empty:
            return None

    def _seconds_to_wait(self) -> float:
        now = time.monotonic()
        due = [now + 1.0, self._next_scan]
        for intake in self._usable():
            if intake.backlog:
                due.append(now + 0.05)
            elif intake.inbox.name in self._hinted:
                due.append(intake.rest_until)
            elif intake.due_at is not None:
                due.append(max(intake.due_at, intake.rest_until))
        return max(0.001, min(due) - now)

    def _usable(self) -> Iterator[Intake]:
        """The intakes whose inboxes are not held back."""
        return (intake for name, intake in self._intakes.items() if not self._holds.held(name))

    def _scan(self) -> None:
        now = time.monotonic()
        everything = now >= self._next_scan
        for intake in self._due(now, everything=everything):
            began = time.monotonic()
            self._hinted.discard(intake.inbox.name)
            self._entrance.take(intake, list(self._works(intake)))
            intake.rest_until = began + (time.monotonic() - began) / SCAN_SHARE
        if everything:
            self._next_scan = time.monotonic() + self._config.daemon.scan_seconds

    def _due(self, now: float, *, everything: bool) -> Iterator[Intake]:
        for intake in self._usable():
            settled = intake.due_at is not None and now >= intake.due_at
            asked = (intake.inbox.name in self._hinted or settled) and now >= intake.rest_until
            if everything or asked or intake.backlog:
                yield intake

    def _reload(self) -> None:
        self._hung_up = False
        if self._reread is None:
            return
        try:
            successor = self._reread()
        except ClassifydError as error:
            log.error("reload_failed", error=str(error), consequence="the old configuration stays")
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
            except (DiskFault, BundleError) as error:
                log.warning("not_repinned", file=work.shown, error=str(error))

    def _finished(self, work: Work, report: FileReport) -> None:
        self._endings.finished(work)
        self._entrance.forget(work)
        self._quarantined += report.state == "quarantined"
        self._dispatcher.tell(Observe(files=(report,)))

    def _works(self, intake: Intake) -> Iterator[Work]:
        """The inputs of an inbox that are held."""
        works = itertools.chain(self._dispatcher.works.values(), self._endings.works(), self._entrance.unrecorded)
        return (work for work in works if work.inbox.name == intake.inbox.name)

    def _unfinished(self, intake: Intake) -> tuple[str, int]:
        return intake.inbox.name, intake.waiting + sum(1 for _ in self._works(intake))

    def _troubles(self) -> dict[str, str]:
        """What is held back and why: `inbox <name>` or `task <name>`."""
        inboxes = {name if name == LEDGER else f"inbox {name}": why for name, why in self._holds.reasons().items()}
        return inboxes | {f"task {name}": reason for name, reason in self._breakers.holds.reasons().items()}

    def _drained(self) -> bool:
        """Whether nothing is left but what cannot go on: inboxes held, or tasks whose breaker tripped."""
        if self._dispatcher.busy or not self._next_scan:
            return False
        stuck = set(self._holds.reasons())
        tasks = set(self._breakers.holds.reasons())
        for intake in self._intakes.values():
            blocked = intake.inbox.name in stuck or not tasks.isdisjoint(intake.inbox.tasks)
            if self._unfinished(intake)[1] and not blocked:
                return False
        return True
