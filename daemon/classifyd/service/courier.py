"""The courier of one receiver: a thread that reads the ledger's notices, and delivers them one at a time."""

import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import structlog

from classifyd.config import ReceiverConfig
from classifyd.errors import ConfigError
from classifyd.ledger import LedgerView, Notice
from classifyd.service.telling import NotToldError, Telling, secret_of, telling

log = structlog.get_logger()

WINDOW = 100
"""So many notices are read at a time."""

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0


class Courier:
    """`told` are the notices that were delivered, for the main loop to take away.

    `error` is why the last attempt failed; empty if it did not.
    """

    def __init__(self, receiver: ReceiverConfig) -> None:
        self.told: deque[int] = deque()
        self.error = ""
        self._receiver = receiver
        self._bell = threading.Event()
        self._ending = threading.Event()
        self._results: deque[str] = deque()
        self._thread: threading.Thread | None = None
        self._after = 0
        self._window: deque[Notice] = deque()
        self._later: dict[int, tuple[float, int]] = {}
        """Notices that were not taken: when each is due again, and how often it was tried."""

    def begin(self, ledger: Path) -> None:
        """Start the thread. ConfigError if the receiver's secret cannot be had."""
        try:
            secret_of(self._receiver)
        except ValueError as error:
            raise ConfigError(f'receiver "{self._receiver.name}": {error}') from error
        how = telling(self._receiver, self._ending)
        self._thread = threading.Thread(
            target=self._run, args=(ledger, how), name=f"receiver {self._receiver.name}", daemon=True
        )
        self._thread.start()

    def wake(self) -> None:
        """There may be something new to deliver."""
        self._bell.set()

    def results(self) -> Iterator[str]:
        """How the deliveries since the last look went."""
        while self._results:
            yield self._results.popleft()

    def stop(self) -> None:
        """Have the thread end; what it is delivering is broken off if it is a command's."""
        self._ending.set()
        self._bell.set()

    def join(self, end: float) -> None:
        """Wait for the thread's end, until the monotonic time `end` at most."""
        if self._thread is not None:
            self._thread.join(max(0.0, end - time.monotonic()))

    # ------------------------------------------------------------------ in the thread

    def _run(self, ledger: Path, how: Telling) -> None:
        failures = 0
        while not self._ending.is_set():
            try:
                failures = self._turn(ledger, how, failures)
            except sqlite3.Error as error:
                self._fail(f"the ledger cannot be read: {error}")
                self._ending.wait(FIRST_PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001  # a receiver whose courier has ended would never be told again
                self._fail(f"{type(error).__name__}: {error}")
                self._after, self._window = 0, deque()  # what was in hand is read again
                self._ending.wait(LONGEST_PAUSE_SECONDS)

    def _turn(self, ledger: Path, how: Telling, failures: int) -> int:
        """Tell the next notice, or wait for one; how many deliveries have failed in a row."""
        notice = self._next(ledger)
        if notice is None:
            self._bell.wait(self._seconds_to_wait())
            self._bell.clear()
            return failures
        try:
            how.tell(notice.document.encode())
        except NotToldError as error:
            if self._ending.is_set():
                return failures
            self._put_off(notice, str(error))
            # Whoever is down need not be asked for every notice that waits.
            self._ending.wait(_pause(failures))
            return failures + 1
        self._later.pop(notice.id, None)
        self.told.append(notice.id)
        self._results.append("told")
        if self.error:
            log.info("receiver_takes_again", receiver=self._receiver.name)
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
                    self._window.extend(view.notices(self._receiver.name, self._after, WINDOW))
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
            log.warning("not_told", receiver=self._receiver.name, error=error, consequence="it is told again later")
        self.error = error

    def _seconds_to_wait(self) -> float | None:
        return max(0.0, min(due for due, _ in self._later.values()) - time.monotonic()) if self._later else None


def _pause(failures: int) -> float:
    return float(min(FIRST_PAUSE_SECONDS * 2 ** min(failures, 16), LONGEST_PAUSE_SECONDS))
