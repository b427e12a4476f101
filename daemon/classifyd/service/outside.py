"""What is seen of the daemon from outside: metrics, the status page, and where they are served.

It outlives the daemons that follow one another in a process after a HUP, so that counters go on and nobody who looks
finds the door shut meanwhile.
"""

import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from classifyd.config import Config, CorrectionsInbox
from classifyd.drift import Drift
from classifyd.errors import ClassifydError, ConfigError, UnavailableError
from classifyd.ledger import Entry, LedgerView
from classifyd.metrics import Metrics
from classifyd.reports import FileReport, JobReport
from classifyd.service.drifting import Drifting
from classifyd.service.tasks import Versions
from classifyd.web import App, Listener, Recent, Scene, Wish, taken_over
from classifyd.web.listening import bound, shown
from classifyd.web.recent import OUTPUTS, Output, Totals
from classifyd.web.secret import read_or_make

log = structlog.get_logger()

HOUR_SECONDS = 3600.0


class Outside:
    """Written by the main loop; what the server's threads read is replaced as a whole, or guards itself.

    With `served` False nothing is ever listened to, as for `--once`. `unmet` is what the configuration asks for, as it
    was last read, and why it is not done.
    """

    def __init__(self, config: Config, *, served: bool = True) -> None:
        self.config = config
        self.scene = Scene(started_at=time.time(), turned_at=time.monotonic())
        self.metrics = Metrics()
        self.recent = Recent()
        self.unmet: Mapping[str, str] = {}
        self._drifting = Drifting()
        self._inherited = taken_over(os.environ) if served else None
        self._served = served
        self._listener: Listener | None = None
        self._held: _Door | None = None
        self._grants: Callable[[Wish], None] | None = None

    # ------------------------------------------------------------------ where it is served

    def open(self, config: Config) -> None:
        """Serve where a configuration says, under the token that its file has by now.

        UnavailableError if it names an address that cannot be had.
        """
        http, door = config.http, None
        if self._served and http is not None and http.listen is not None:
            door = _Door(http.listen, http.token_file, _token(http.token_file))
        if door != self._held:
            self.close()
            if door is not None:
                self._listen(door, asked=http is not None and http.asked)
        self._held = door
        self.config = config
        self.metrics.begin(inbox.name for inbox in config.inboxes)

    def _listen(self, door: "_Door", *, asked: bool) -> None:
        try:
            listening = self._inherited.dup() if self._inherited else bound(door.address)
        except UnavailableError as error:
            if asked:
                raise
            # Nobody has asked for this address: a second daemon of a machine does its work all the same.
            log.warning("http_unavailable", error=str(error), consequence="there is no status page and are no metrics")
            return
        # A request that came early finds the state of now.
        self._listener = Listener(App(self, door.token, _host(listening)), listening)
        log.info("listening", address=shown(self._listener.address), token_file=str(door.token_file))

    @property
    def page(self) -> str:
        """Where the status page is; empty for nowhere."""
        return f"http://{shown(self._listener.address)}/" if self._listener else ""

    def close(self) -> None:
        """Serve no more."""
        self._held = None
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    # ------------------------------------------------------------------ what is wished for

    def grant_by(self, grants: Callable[[Wish], None] | None) -> None:
        """From now on leave wishes with a main loop that runs; with None, refuse them."""
        self._grants = grants

    def hand_over(self, wish: Wish) -> bool:
        """Leave a wish for the main loop; False if none runs that could grant it."""
        grants = self._grants
        if grants is not None:
            grants(wish)
        return grants is not None

    # ------------------------------------------------------------------ what is shown

    def loading(self) -> None:
        """Models are being loaded, and no input is taken."""
        self.scene = replace(self.scene, state="loading", turned_at=time.monotonic())

    def remember(self, state: Path) -> None:
        """Begin with what the state folder knows of earlier days; what cannot be read of it, with nothing."""
        self._drifting.remember(state)
        try:
            with closing(LedgerView(state / "ledger.sqlite")) as view:
                done = [count for count in view.counts() if count.state == "retired"]
                totals = {one.inbox: Totals(one.inputs, one.records, one.errors, one.reviews) for one in done}
                newest, doubtful = (
                    self._outputs(entries) for entries in (view.newest(OUTPUTS), view.newest_doubtful(OUTPUTS))
                )
                self.recent.begin(totals, view.finished_since(time.time() - HOUR_SECONDS), newest, doubtful)
        except sqlite3.Error as error:
            log.warning("history_not_read", error=str(error), consequence="the status page begins at nought")

    def _outputs(self, entries: Iterable[Entry]) -> list[Output]:
        """The outputs of inputs that ended before this process began, as far as their inboxes are still there."""
        folders = {inbox.name: inbox.output for inbox in self.config.inboxes if not isinstance(inbox, CorrectionsInbox)}
        return [Output.of(entry, folders[entry.claim.inbox]) for entry in entries if entry.claim.inbox in folders]

    def refused(self, error: ClassifydError) -> None:
        """A configuration that was read again is not taken up."""
        self.unmet = {"the configuration": f"{str(error).removesuffix('.')}; the one before stays in force"}
        self.metrics.reloaded("refused")

    def show(self, scene: Scene) -> None:
        """The daemon as it is now."""
        self.scene = replace(scene, started_at=self.scene.started_at, unmet=self.unmet)
        self.metrics.levels = scene.levels

    def finished(self, report: FileReport, place: Path | None) -> None:
        """An input has ended; `place` is where its answer was put."""
        now = time.time()
        self.metrics.finished(report, now)
        self.recent.finished(report, place, now)

    def worked(self, inbox: str, report: JobReport) -> None:
        """A worker is through with a job of an inbox."""
        self.metrics.worked(inbox, report.records, report.efforts)
        self.recent.worked(inbox, report.parts, time.time())
        self._drifting.seen(report.profiles, self.config)

    def keep(self, state: Path, *, at_once: bool = False) -> None:
        """Leave in the state folder, from time to time or now, what `remember` begins with."""
        self._drifting.keep(state, at_once=at_once)

    def drift(self, serving: Versions) -> dict[str, Drift]:
        """How far the answers of what serves have parted from the baselines."""
        return self._drifting.found(serving, self.config)


@dataclass(frozen=True, slots=True)
class _Door:
    """Where is listened, and what opens it: for another one the listener is made anew."""

    address: tuple[str, int]
    token_file: Path
    token: str = field(repr=False)


def _token(file: Path) -> str:
    try:
        return read_or_make(file)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    except OSError as error:
        raise UnavailableError(f"{file}: {error.strerror}; the token goes there") from error


def _host(listening: socket.socket) -> str:
    return str(listening.getsockname()[0])
