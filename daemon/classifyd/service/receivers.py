"""Receivers are told of each finished input, at least once, and never keep an input waiting.

What is to be told is written to the ledger in the transaction that ends the input, and removed from it after the
receiver took it. Each receiver has a courier, a thread that reads the ledger for itself; only the main loop writes.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from classifyd.config import ReceiverConfig
from classifyd.errors import DiskFault
from classifyd.ledger import Ledger
from classifyd.service.courier import Courier

log = structlog.get_logger()

SETTLE_SECONDS = 0.5
"""At most this often the ledger learns what was told: each time costs as much as an input's end."""

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
            line.courier.begin(ledger)

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
            line.courier.wake()

    def note(self, inbox: str, state: str, at: float, document: Callable[[], str]) -> None:
        """Write down whom an input's end is to be told; beyond their `max_waiting` the oldest make room."""
        for line in self._lines.values():
            receiver = line.receiver
            if state not in receiver.endings or (receiver.inboxes is not None and inbox not in receiver.inboxes):
                continue
            if line.waiting >= receiver.max_waiting:
                gone = self._ledger.given_up(receiver.name, line.waiting - receiver.max_waiting + 1)
                line.give_up(gone)
                self._counted(receiver.name, "given up", gone)
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
        told = list(line.courier.told)
        if told:
            with self._ledger.commit():
                gone = self._ledger.told(told)
            line.waiting -= gone
            for _ in told:
                line.courier.told.popleft()

    def waiting(self) -> Mapping[str, Waiting]:
        """How it stands with each receiver."""
        return {name: Waiting(line.waiting, line.courier.error) for name, line in self._lines.items()}

    @property
    def through(self) -> bool:
        """Whether all was told but to receivers that do not take it."""
        self.settle()
        return all(not line.waiting or line.courier.error for line in self._lines.values())

    def stop(self) -> None:
        """Tell no more."""
        for line in self._lines.values():
            line.courier.stop()
        end = time.monotonic() + GRACE_SECONDS
        for line in self._lines.values():
            line.courier.join(end)
        self.settle(now=True)
        untold = {name: line.waiting for name, line in self._lines.items() if line.waiting}
        if untold:
            log.info("untold", notices=untold, consequence="they are told by the next run")


class _Line:
    """What waits for one receiver, as the main loop knows it. It is `sure` unless a count was not written down."""

    def __init__(self, receiver: ReceiverConfig) -> None:
        self.receiver = receiver
        self.courier = Courier(receiver)
        self.waiting = 0
        self.sure = True
        self._full = False

    def give_up(self, count: int) -> None:
        """The oldest notices had to make room."""
        self.waiting -= count
        if not self._full:
            log.error("notices_given_up", receiver=self.receiver.name, reason="too many wait", error=self.courier.error)
        self._full = True

    def results(self) -> Iterator[str]:
        """How the deliveries since the last look went."""
        yield from self.courier.results()
        self._full = self._full and bool(self.courier.error)
