"""What follows when a worker died over a job: who is to blame, what is tried next, and when an input is given up."""

from collections.abc import Callable, Mapping

import structlog

from classifyd.jobs import Suspect
from classifyd.ledger import Ledger
from classifyd.pipeline.breadcrumb import CHORE, Crumb, Range
from classifyd.service.blame import ENDS, halves, narrowed, narrowed_by_end
from classifyd.service.holds import Breakers
from classifyd.service.lines import Lines
from classifyd.service.orders import Order
from classifyd.service.work import Work
from classifyd.values import Fault
from classifyd.workers import Outcome

log = structlog.get_logger()

KIND = "WorkerDied"
ATTEMPTS_PER_SPLIT = 3
NODE = "a node, or an actor on it,"
ATTEMPTS_ON_SUSPECTS = 60
"""Enough to isolate several faulty records of one split, each in a dozen attempts; beyond that it is hopeless."""


class Deaths:
    """Decides by the breadcrumb that the worker left. `died` is told what each one did."""

    def __init__(self, ledger: Ledger, lines: Lines, breakers: Breakers, died: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._lines = lines
        self._breakers = breakers
        self._died = died

    def judge(self, order: Order, outcome: Outcome, works: Mapping[str, Work]) -> list[tuple[Work, Fault]]:
        """Put the job's splits back in line as they are to be tried next; the inputs that are given up, and why."""
        crumb = outcome.crumb
        log.warning(
            "worker_died",
            death=outcome.death,
            deed=crumb.deed if crumb else None,
            task=crumb.task if crumb else None,
            splits=len(order.items),
            **({"node": outcome.node} if outcome.node else {}),
        )
        self._died(crumb.deed if crumb else "beginning")
        if outcome.lost:
            self._lines.give_back(order)
        elif outcome.with_node:
            return self._lost(order, crumb, outcome.death, works)
        elif crumb is not None and crumb.deed == "loading":
            self._breakers.trip(crumb.task, f"a worker died while loading it: {outcome.death}")
            self._lines.give_back(order)
        elif crumb is not None and crumb.deed == "predicting":
            if not self._sick(crumb, outcome.death):
                return self._suspect(order, crumb, outcome.death, works)
            self._lines.give_back(order)
        else:
            return self._retry(order, outcome.death) if order.items else self._retry_chore(order, outcome.death)
        return []

    def _lost(
        self, order: Order, crumb: Crumb | None, death: str, works: Mapping[str, Work]
    ) -> list[tuple[Work, Fault]]:
        """The worker went with its node: as when a daemon ends, only what comes again and again can be to blame."""
        self._lines.uncount(order)
        if crumb is not None and crumb.deed == "predicting":
            for found in (found for found in crumb.ranges if found.claim in works):
                known = works[found.claim].suspects.get(found.number, ())
                self._keep(works[found.claim], found, narrowed_by_end(known, crumb.task, found, NODE))
        elif len(order.works) == 1 and (crumb is None or crumb.deed != "loading"):
            work = order.works[0]
            number = order.items[0].split.number if order.items else CHORE
            work.losses[number] = work.losses.get(number, 0) + 1
            if work.losses[number] >= ENDS:
                return [(work, Fault("NodeEnded", f"{work.shown}: {NODE} ended {ENDS} times over it: {death}"))]
        if order.items:
            self._lines.put_back_apart(order.works[0].key, *halves(order.items))
        elif order.works:
            self._lines.put_back(order)
        else:
            self._lines.rest_observers(death)
        return []

    def _sick(self, crumb: Crumb, death: str) -> bool:
        """Whether it is the task that is at fault, and no record: it ends its worker whatever it is given."""
        if crumb.answered:
            if self._breakers.worked(crumb.task):
                log.info("task_recovered", task=crumb.task)
            return False
        return self._breakers.died(crumb.task, crumb.ranges, f"workers died over whatever it was given: {death}")

    def _suspect(self, order: Order, crumb: Crumb, death: str, works: Mapping[str, Work]) -> list[tuple[Work, Fault]]:
        """Somebody's records made a task kill its worker: one split's are narrowed down, several splits are parted."""
        given_up = []
        if len(crumb.ranges) == 1 and crumb.ranges[0].claim in works:
            given_up = self._narrow(works[crumb.ranges[0].claim], crumb.task, crumb.ranges[0], death)
        guilty = {(found.claim, found.number) for found in crumb.ranges}
        under = [item for item in order.items if (item.split.claim, item.split.number) in guilty]
        rest = [item for item in order.items if (item.split.claim, item.split.number) not in guilty]
        self._lines.put_back_apart(order.works[0].key, *halves(under), tuple(rest))
        return given_up

    def _narrow(self, work: Work, task: str, found: Range, death: str) -> list[tuple[Work, Fault]]:
        if work.attempts.get(found.number, 0) > ATTEMPTS_ON_SUSPECTS:
            return [(work, Fault(KIND, f"{work.shown}: too many of its records end their worker: {death}"))]
        suspects = narrowed(work.suspects.get(found.number, ()), task, found, f"the worker died on it: {death}")
        self._keep(work, found, suspects)
        return []

    def _keep(self, work: Work, found: Range, suspects: tuple[Suspect, ...]) -> None:
        with self._ledger.commit():
            self._ledger.suspected(found.claim, found.number, suspects)
        work.suspects[found.number] = suspects

    def _retry(self, order: Order, death: str) -> list[tuple[Work, Fault]]:
        """Nobody knows which record it was: several splits are parted, a single one has some attempts."""
        work = order.works[0]
        if len(order.items) == 1 and work.attempts.get(order.items[0].split.number, 0) >= ATTEMPTS_PER_SPLIT:
            message = f"{work.shown}: reading or writing it ended its worker {ATTEMPTS_PER_SPLIT} times: {death}"
            return [(work, Fault(KIND, message))]
        self._lines.put_back_apart(work.key, *halves(order.items))
        return []

    def _retry_chore(self, order: Order, death: str) -> list[tuple[Work, Fault]]:
        if not order.works:
            self._lines.rest_observers(death)
            return []
        work = order.works[0]
        work.attempts[CHORE] = work.attempts.get(CHORE, 0) + 1
        if work.attempts[CHORE] >= ATTEMPTS_PER_SPLIT:
            return [(work, Fault(KIND, f"{work.shown}: its worker died {ATTEMPTS_PER_SPLIT} times: {death}"))]
        self._lines.put_back(order)
        return []
