"""When which inbox is scanned: all of them every so often, one sooner when something moved in it or has settled."""

import time
from collections.abc import Container, Iterator, Mapping

from classifyd.service.holds import Holds
from classifyd.service.intake import Intake

SCAN_SHARE = 0.1
"""At most this share of the time goes into scanning an inbox."""


class Rounds:
    """Goes round the inboxes, past those that are held back."""

    def __init__(
        self, intakes: Mapping[str, Intake], holds: Holds, pauses: Container[str], scan_seconds: float
    ) -> None:
        self._intakes = intakes
        self._holds = holds
        self._pauses = pauses
        self._scan_seconds = scan_seconds
        self._hinted: set[str] = set()
        self._next = 0.0

    @property
    def begun(self) -> bool:
        """Whether every inbox was looked at once."""
        return self._next > 0

    def heed(self, scan_seconds: float) -> None:
        """From now on look into every inbox so often, and now."""
        self._scan_seconds = scan_seconds
        self._next = min(self._next, time.monotonic())

    def hint(self, inbox: str) -> None:
        """Something moved in an inbox."""
        self._hinted.add(inbox)

    def seconds_to_wait(self) -> float:
        """How long there is nothing to scan; a second at most."""
        now = time.monotonic()
        due = [now + 1.0, self._next]
        for intake in self._usable():
            if self._may_claim(intake):
                due.append(now + 0.05)
            elif intake.inbox.name in self._hinted:
                due.append(intake.rest_until)
            elif intake.due_at is not None:
                due.append(max(intake.due_at, intake.rest_until))
        return max(0.001, min(due) - now)

    def due(self) -> Iterator[Intake]:
        """The intakes to scan now; each rests in proportion to the time that its scan has taken."""
        now = time.monotonic()
        everything = now >= self._next
        for intake in self._usable():
            settled = intake.due_at is not None and now >= intake.due_at
            asked = (intake.inbox.name in self._hinted or settled) and now >= intake.rest_until
            if everything or asked or self._may_claim(intake):
                began = time.monotonic()
                self._hinted.discard(intake.inbox.name)
                yield intake
                intake.rest_until = began + (time.monotonic() - began) / SCAN_SHARE
        if everything:
            self._next = time.monotonic() + self._scan_seconds

    def _may_claim(self, intake: Intake) -> bool:
        """Whether there is something left to claim; what is paused is looked through, but nothing taken of it."""
        return bool(intake.backlog) and intake.inbox.name not in self._pauses

    def _usable(self) -> Iterator[Intake]:
        """The intakes whose inboxes are neither held back nor to be left."""
        return (intake for name, intake in self._intakes.items() if not (intake.leaving or self._holds.held(name)))
