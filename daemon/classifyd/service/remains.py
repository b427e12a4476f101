"""What is left to do, and what holds it up."""

import itertools
from collections.abc import Container, Iterator, Mapping

from classifyd.service.dispatch import Dispatcher
from classifyd.service.endings import Endings
from classifyd.service.entrance import Entrance
from classifyd.service.holds import LEDGER, OBSERVERS, Breakers, Holds
from classifyd.service.intake import Intake
from classifyd.service.work import Work


class Remains:
    """The inputs that are not finished, wherever they are on their way, and why those wait that have to."""

    def __init__(
        self, intakes: Mapping[str, Intake], entrance: Entrance, dispatcher: Dispatcher, endings: Endings
    ) -> None:
        self._intakes = intakes
        self._entrance = entrance
        self._dispatcher = dispatcher
        self._endings = endings

    def works(self, intake: Intake) -> Iterator[Work]:
        """The inputs of an inbox that are held."""
        works = itertools.chain(self._dispatcher.works.values(), self._endings.works(), self._entrance.unrecorded)
        return (work for work in works if work.inbox.name == intake.inbox.name)

    def unfinished(self) -> dict[str, int]:
        """By inbox, how many inputs wait or are held; none where there are none."""
        counts = {name: self._unfinished(intake) for name, intake in self._intakes.items()}
        return {name: count for name, count in counts.items() if count}

    def drained(self, holds: Holds, breakers: Breakers, pauses: Container[str]) -> bool:
        """Whether nothing is left but what cannot go on.

        That is of inboxes held or paused, files that wait by themselves, and tasks whose breaker tripped.
        """
        tasks = set(breakers.holds.reasons())
        for intake in self._intakes.values():
            name = intake.inbox.name
            blocked = name in pauses or name in holds.reasons() or not tasks.isdisjoint(intake.inbox.tasks)
            alone = len(intake.refused) + len(self._endings.stuck(name))
            if not blocked and self._unfinished(intake) > alone:
                return False
        return not self._dispatcher.busy

    def _unfinished(self, intake: Intake) -> int:
        return intake.waiting + sum(1 for _ in self.works(intake))


def troubles(holds: Holds, breakers: Breakers, intakes: Mapping[str, Intake], endings: Endings) -> dict[str, str]:
    """What is held back and why.

    `inbox <name>`, `files of <name>`, `claims of <name>`, `task <name>`, the ledger or the observers.
    """
    own = (LEDGER, OBSERVERS)
    inboxes = {name if name in own else f"inbox {name}": why for name, why in holds.reasons().items()}
    alone = {name: {**intake.refused, **endings.stuck(name)} for name, intake in intakes.items()}
    files = {f"files of {name}": _first(refused) for name, refused in alone.items() if refused}
    unsure = {name: intake.unsure for name, intake in intakes.items()}
    claims = {f"claims of {name}": _first(left) for name, left in unsure.items() if left}
    return inboxes | files | claims | {f"task {name}": reason for name, reason in breakers.holds.reasons().items()}


def _first(refused: Mapping[str, str]) -> str:
    """The first reason, and how many files more there are: a whole folder's may be refused."""
    more = len(refused) - 1
    return next(iter(refused.values())) + (f" (and {more:,} more)" if more else "")
