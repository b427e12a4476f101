"""Receivers are told of each finished input, at least once, and never keep an input waiting.

What is to be told is written to the ledger in the transaction that ends the input, and removed from it after the
receiver took it. Each receiver has a thread, which reads the ledger for itself; only the main loop writes.
"""

import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from classifyd.config import ReceiverConfig
from classifyd.errors import ConfigError, DiskFault
from classifyd.ledger import Ledger, LedgerView, Notice
from classifyd.service.telling import NotToldError, Telling, secret_of, telling

log = structlog.get_logger()

WINDOW = 100
"""So many notices are read at a time."""

SETTLE_SECONDS = 0.5
"""At most this often the ledger learns what was told: each time costs as much as an input's end."""

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0
GRACE_SECONDS = 5.0
"""So long a delivery may go on when the daemon ends; what was not told then is told by the next."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many notices wait for a receiver, and why the last attempt failed; empty if it did not."""

    count: int
    error: str = ""


class Receivers:
    """All receivers of a configuration. Methods are for the main loop alone; `note` inside `with noting():`."""

    def __init__(
        self, receivers: Sequence[ReceiverConfig], ledger: Ledger, counted: Callable[[str, str, int], None]
    ) -> None:
        self._ledger = ledger
        self._counted = counted
        self._lines = {receiver.name: _Line(receiver) for receiver in receivers}
        self._settled_at = 0.0

    def begin(self, ledger: Path) -> None:
        """Tell what an earlier run left untold, and what comes. ConfigError if a secret cannot be had."""
        for line in self._lines.values():
            line.waiting = self._ledger.untold(line.receiver.name)
            line.begin(ledger)

    def forget_others(self) -> None:
        """What was for receivers that are not configured any more is told to nobody."""
        with self._ledger.commit():
            strangers = self._ledger.given_up_but_of(list(self._lines))
        if strangers:
            log.warning("notices_given_up", count=strangers, reason="their receivers are not configured any more")

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """A commit of the ledger within which `note` is called."""
        try:
            with self._ledger.commit():
                yield
        except BaseException:
            for line in self._lines.values():
                line.sure = False  # what was counted was not noted
            raise
        for line in self._lines.values():
            line.bell.set()

    def note(self, inbox: str, state: str, at: float, document: Callable[[], str]) -> None:
        """Write down whom an input's end is to be told; beyond their `max_waiting` the oldest make room."""
        for line in self._lines.values():
            receiver = line.receiver
            if state not in receiver.endings or (receiver.inboxes is not None and inbox not in receiver.inboxes):
                continue
            if line.waiting >= receiver.max_waiting:
                line.give_up(self._ledger.given_up(receiver.name, line.waiting - receiver.max_waiting + 1))
                self._counted(receiver.name, "given up", 1)
            self._ledger.noted(receiver.name, at, document())
            line.waiting += 1

    def settle(self, *, now: bool = False) -> None:
        """Have the ledger know what was told; what it cannot take is kept for the next time."""
        if not now and time.monotonic() < self._settled_at + SETTLE_SECONDS:
            return
        self._settled_at = time.monotonic()
        for line in self._lines.values():
            for result in line.results():
                self._counted(line.receiver.name, result, 1)
            with contextlib.suppress(DiskFault):
                self._settle(line)

    def _settle(self, line: "_Line") -> None:
        if not line.sure:
            line.waiting, line.sure = self._ledger.untold(line.receiver.name), True
        told = list(line.told)
        if told:
            with self._ledger.commit():
                gone = self._ledger.told(told)
            line.waiting -= gone
            for _ in told:
                line.told.popleft()

    def waiting(self) -> Mapping[str, Waiting]:
        """How it stands with each receiver."""
        return {name: Waiting(line.waiting, line.error) for name, line in self._lines.items()}

    @property
    def through(self) -> bool:
        """Whether all was told but to receivers that do not take it."""
        self.settle()
        return all(not line.waiting or line.error for line in self._lines.values())

    def stop(self) -> None:
        """Tell no more."""
        for line in self._lines.values():
            line.ending.set()
            line.bell.set()
        end = time.monotonic() + GRACE_SECONDS
        for line in self._lines.values():
            line.join(end)
        self.settle(now=True)
        untold = {name: line.waiting for name, line in self._lines.items() if line.waiting}
        if untold:
            log.info("untold", notices=untold, consequence="they are told by the next run")


class _Line:
    """One receiver's line, with the thread that tells it."""

    def __init__(self, receiver: ReceiverConfig) -> None:
        self.receiver = receiver
        self.waiting = 0
        self.sure = True
        self.error = ""
        self.told: deque[int] = deque()
        self.bell = threading.Event()
        self.ending = threading.Event()
        self._full = False
        self._results: deque[str] = deque()
        self._thread: threading.Thread | None = None
        self._after = 0
        self._window: deque[Notice] = deque()
        self._later: dict[int, tuple[float, int]] = {}
        """Notices that were not taken: when each is due again, and how often it was tried."""

    def begin(self, ledger: Path) -> None:
        try:
            secret = secret_of(self.receiver)
        except ValueError as error:
            raise ConfigError(f'receiver "{self.receiver.name}": {error}') from error
        how = telling(self.receiver, secret, self.ending)
        self._thread = threading.Thread(
            target=self._run, args=(ledger, how), name=f"receiver {self.receiver.name}", daemon=True
        )
        self._thread.start()

    def join(self, end: float) -> None:
        if self._thread is not None:
            self._thread.join(max(0.0, end - time.monotonic()))

    def give_up(self, count: int) -> None:
        """The oldest notices had to make room."""
        self.waiting -= count
        if not self._full:
            log.error("notices_given_up", receiver=self.receiver.name, reason="too many wait", error=self.error)
        self._full = True

    def results(self) -> Iterator[str]:
        """How the deliveries since the last look went."""
        while self._results:
            yield self._results.popleft()
        self._full = self._full and bool(self.error)

    # ------------------------------------------------------------------ in the thread

    def _run(self, ledger: Path, how: Telling) -> None:
        failures = 0
        while not self.ending.is_set():
            try:
                failures = self._turn(ledger, how, failures)
            except sqlite3.Error as error:
                self._fail(f"the ledger cannot be read: {error}")
                self.ending.wait(FIRST_PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001  # a line whose thread has ended would never be told again
                self._fail(f"{type(error).__name__}: {error}")
                self._after, self._window = 0, deque()  # what was in hand is read again
                self.ending.wait(LONGEST_PAUSE_SECONDS)

    def _turn(self, ledger: Path, how: Telling, failures: int) -> int:
        """Tell the next notice, or wait for one; how many deliveries have failed in a row."""
        notice = self._next(ledger)
        if notice is None:
            self.bell.wait(self._seconds_to_wait())
            self.bell.clear()
            return failures
        try:
            how.tell(notice.document.encode())
        except NotToldError as error:
            if self.ending.is_set():
                return failures
            self._put_off(notice, str(error))
            # Whoever is down need not be asked for every notice that waits.
            self.ending.wait(_pause(failures))
            return failures + 1
        self._later.pop(notice.id, None)
        self.told.append(notice.id)
        self._results.append("told")
        if self.error:
            log.info("receiver_takes_again", receiver=self.receiver.name)
        self.error = ""
        return 0

    def _next(self, ledger: Path) -> Notice | None:
        """One that was put off long enough, else the oldest that was not tried yet."""
        now = time.monotonic()
        due = [number for number, (when, _) in self._later.items() if when <= now]
        if due or not self._window:
            # Opened for a look: should an fsync of the ledger's log fail, it is taken away only if nobody reads it.
            with contextlib.closing(LedgerView(ledger)) as view:
                for number in due:
                    notice = view.notice(number)
                    if notice is not None:
                        return notice
                    del self._later[number]  # given up meanwhile
                if not self._window:
                    self._window.extend(view.notices(self.receiver.name, self._after, WINDOW))
        if not self._window:
            return None
        notice = self._window.popleft()
        self._after = notice.id
        return notice

    def _put_off(self, notice: Notice, error: str) -> None:
        """Try it again after a pause; one that is refused again and again does not hold up the others."""
        _, tries = self._later.get(notice.id, (0.0, 0))
        self._later[notice.id] = (time.monotonic() + 2 * _pause(tries), tries + 1)
        self._results.append("failed")
        self._fail(error)

    def _fail(self, error: str) -> None:
        if error != self.error:
            log.warning("not_told", receiver=self.receiver.name, error=error, consequence="it is told again later")
        self.error = error

    def _seconds_to_wait(self) -> float | None:
        return max(0.0, min(due for due, _ in self._later.values()) - time.monotonic()) if self._later else None


def _pause(failures: int) -> float:
    return float(min(FIRST_PAUSE_SECONDS * 2 ** min(failures, 16), LONGEST_PAUSE_SECONDS))
