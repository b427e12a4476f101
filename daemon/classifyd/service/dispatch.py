"""Giving jobs to free workers, and taking in what comes of them."""

import itertools
import time
from collections.abc import Callable, Collection, Container, Iterable, Sequence

import structlog

from classifyd.config import DaemonConfig
from classifyd.errors import ClassifydError, DiskFault
from classifyd.jobs import Annotate, Assemble, CutUp, Observe
from classifyd.ledger import Ledger, Plan
from classifyd.planning import Rates
from classifyd.reports import FileReport, JobReport, PartReport
from classifyd.service.deaths import Deaths
from classifyd.service.holds import LEDGER, OBSERVERS, Breakers, Holds
from classifyd.service.lines import Lines
from classifyd.service.orders import Order
from classifyd.service.outside import Outside
from classifyd.service.results import Results
from classifyd.service.work import Work
from classifyd.values import Fault
from classifyd.workers import Engine, Outcome

log = structlog.get_logger()


class Dispatcher:
    """Keeps the workers busy: inputs come in by `add` and leave in what `receive` returns.

    `observed` are the hooks that some plugin observes by; `lines` has what waits for a worker.
    """

    def __init__(
        self,
        config: DaemonConfig,
        ledger: Ledger,
        engine: Engine,
        holds: Holds,
        breakers: Breakers,
        *,
        pauses: Container[str],
        rank: Callable[[str], int],
        outside: Outside,
    ) -> None:
        self.rates = Rates()
        self.works: dict[str, Work] = {}
        self.observed: Collection[str] = ()
        self._ledger = ledger
        self._engine = engine
        self._holds = holds
        self._breakers = breakers
        self.lines = Lines(config, holds, breakers, pauses=pauses, rates=self.rates, rank=rank)
        self._outside = outside
        self._deaths = Deaths(ledger, self.lines, breakers, outside.metrics.died)
        self._given: dict[int, Order] = {}
        self._numbers = itertools.count(1)
        self._done: list[Work] = []

    @property
    def busy(self) -> int:
        """How many jobs the workers have."""
        return len(self._given)

    @property
    def waiting(self) -> int:
        """How many splits and chores wait for a worker."""
        return len(self.lines)

    def has_in_hand(self, work: Work) -> bool:
        """Whether a worker has a job of an input."""
        return any(one is work for order in self._given.values() for one in order.works)

    def add(self, work: Work) -> None:
        """Take an input on: it is cut up first if large, else queued as it is."""
        self.works[work.claim.id] = work
        if work.large and work.plan is None and not work.reports:
            self.lines.add_cut(work)
        else:
            self._continue(work)

    def drop(self, claim: str) -> None:
        """Forget an input; what a worker still says of it will be ignored."""
        self.works.pop(claim, None)

    def tell(self, report: JobReport | FileReport) -> None:
        """Have observing plugins told, if there are any for it."""
        if ("file_done" if isinstance(report, FileReport) else "job_done") in self.observed:
            self.lines.add_telling(report)

    # ------------------------------------------------------------------ out to workers

    def dispatch(self) -> None:
        """Give every free worker something to do; attempts are on the disk before the jobs begin."""
        chosen: list[Order] = []
        while len(chosen) < self._engine.free() and (order := self._next(chosen)) is not None:
            chosen.append(order)
        if not chosen:
            return
        try:
            self._record_attempts(chosen)
        except DiskFault:
            for order in chosen:
                self.lines.put_back(order)
            raise
        for order in chosen:
            number = next(self._numbers)
            self._given[number] = order
            self._engine.submit(number, order.make, order.deadline_seconds, order.pins)

    def _record_attempts(self, chosen: Sequence[Order]) -> None:
        splits = [(item.split.claim, item.split.number) for order in chosen for item in order.items]
        if splits:
            with self._ledger.commit():
                self._ledger.attempted(splits, time.time())
        for claim, number in splits:
            attempts = self.works[claim].attempts
            attempts[number] = attempts.get(number, 0) + 1

    def _next(self, chosen: Sequence[Order]) -> Order | None:
        return self.lines.next(self.works, (*self._given.values(), *chosen))

    # ------------------------------------------------------------------ back from workers

    def receive(self, outcomes: Iterable[Outcome]) -> Results:
        """Take in how jobs ended."""
        results = Results()
        for outcome in outcomes:
            order = self._given.pop(outcome.number, None)
            if order is None:
                continue
            try:
                self._receive(order, outcome, results)
            except DiskFault as error:
                # The ledger could not be told, so it never happened: the job is done again, the attempt does not count.
                self.lines.give_back(order)
                self._holds.hold_for(LEDGER, error, "nothing is taken")
        results.ready.extend(work for work in self._done if not work.cancelled)
        self._done.clear()
        return results

    def _receive(self, order: Order, outcome: Outcome, results: Results) -> None:
        if outcome.report is None:
            results.condemned.extend(self._deaths.judge(order, outcome, self.works))
        elif isinstance(outcome.job, Observe):
            self._holds.release(OBSERVERS)
        elif outcome.report.fault is not None:
            self._refused(order, outcome, outcome.report.fault, results)
        elif outcome.report.unloadable:
            self._unloadable(order, outcome.report, results)
        else:
            self._reported(order, outcome, outcome.report, results)

    def _reported(self, order: Order, outcome: Outcome, report: JobReport, results: Results) -> None:
        match outcome.job:
            case CutUp():
                self._cut(order.works[0], report)
            case Assemble():
                work = order.works[0]
                work.assembled = report.parts[0]
                self._done.append(work)
            case Annotate():
                self._annotated(order, report, results)

    def _cut(self, work: Work, report: JobReport) -> None:
        if work.claim.id not in self.works:
            return
        plan = Plan(report.cuts, report.reader, str(work.spool) if report.spooled else None)
        with self._ledger.commit():
            self._ledger.planned(work.claim.id, plan)
        work.plan = plan
        log.info(
            "cut", file=work.shown, splits=len(report.cuts), reader=report.reader, seconds=round(report.seconds, 2)
        )
        self._continue(work)

    def _annotated(self, order: Order, report: JobReport, results: Results) -> None:
        if self._judge_tasks(order, report):
            self.lines.give_back(order)
            return
        self._holds.release(order.works[0].inbox.name)
        self.tell(report)
        read = sum(item.size for item in order.items)
        ranges = order.items[0].split.cut is not None
        self.rates.learn(order.works[0].key.kind(ranges=ranges), read, report.seconds)
        parts = self._wanted(order, report)
        with self._ledger.commit():
            self._ledger.finished_parts([part for part in parts if part.fault is None])
        self._outside.worked(order.works[0].inbox.name, report)
        for part in parts:
            work = self.works[part.claim]
            if part.fault is not None:
                results.condemned.append((work, part.fault))
            else:
                work.reports[part.number] = part
                self._check_complete(work)

    def _wanted(self, order: Order, report: JobReport) -> list[PartReport]:
        """The parts of inputs that are still worked on, and under the plan that the parts were made for."""
        made = {(item.split.claim, item.split.number): item.split.part for item in order.items}
        return [
            part
            for part in report.parts
            if part.claim in self.works and self.works[part.claim].digest in made[part.claim, part.number]
        ]

    def _judge_tasks(self, order: Order, report: JobReport) -> bool:
        """Whether the parts are not to be used, for a task that fails on everything, again and again."""
        useless = False
        for spec in order.works[0].tasks:
            fault = report.sick.get(spec.name)
            if fault is not None:
                useless |= self._breakers.failed(spec.name, fault.message)
            elif spec.name in report.answered and self._breakers.worked(spec.name):
                log.info("task_recovered", task=spec.name)
        return useless

    def _unloadable(self, order: Order, report: JobReport, results: Results) -> None:
        for task, fault in report.unloadable.items():
            self._breakers.trip(task, fault.message)
        results.unloadable.extend(order.works)
        self.lines.give_back(order)

    def _refused(self, order: Order, outcome: Outcome, fault: Fault, results: Results) -> None:
        """A job that its worker could not do: an input at fault, or something that will pass."""
        if fault.type in ("UnreadableFile", "LimitExceeded") and isinstance(outcome.job, CutUp):
            results.condemned.append((order.works[0], fault))
            return
        inbox = order.works[0].inbox.name
        self._holds.hold_for(inbox, ClassifydError(fault.message), "its inputs wait")
        self.lines.give_back(order)

    # ------------------------------------------------------------------ an input's progress

    def _continue(self, work: Work) -> None:
        self.lines.add_splits(work)
        self._check_complete(work)

    def _check_complete(self, work: Work) -> None:
        if not work.complete():
            return
        if work.plan is None:
            self._done.append(work)
        else:
            self.lines.add_assembly(work)
