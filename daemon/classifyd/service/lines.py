"""What waits for a worker: splits in their queue, batches that came back, and chores; and what is next."""

from collections import deque
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace

from classifyd.config import DaemonConfig
from classifyd.errors import ClassifydError
from classifyd.jobs import Observe
from classifyd.planning import Batch, Key, Kind, Precedence, Queue, Rates, Waiting
from classifyd.reports import FileReport, JobReport
from classifyd.service import orders
from classifyd.service.holds import OBSERVERS, Breakers, Holds
from classifyd.service.orders import Order
from classifyd.service.work import Work

TOLD_TOGETHER = 100
"""So many reports are told in one job, and this many have to wait for it before it goes first."""
UNTOLD = 10_000
"""So many reports are kept while observers cannot be told; the oldest are forgotten then."""


class Lines:
    """The waiting lines. A chore is a job without splits: a cut, an assembly, telling observers.

    A job takes as much as workers get through in `split_seconds`, by their `rates`. What is of an inbox of a higher
    rank, as `rank` tells it by the inbox's name, goes first, as far as Precedence has it.
    """

    def __init__(
        self,
        config: DaemonConfig,
        holds: Holds,
        breakers: Breakers,
        *,
        pauses: Container[str],
        rates: Rates,
        rank: Callable[[str], int],
    ) -> None:
        self._config = config
        self._rates = rates
        self._rank = rank
        self._precedence = Precedence()
        self._holds = holds
        self._breakers = breakers
        self._pauses = pauses
        self._queue = Queue(config.job_bytes, config.job_files)
        self._again: list[Batch] = []
        self._risky: list[Batch] = []
        self._chores: list[Order] = []
        self._untold: deque[JobReport | FileReport] = deque(maxlen=UNTOLD)

    def __len__(self) -> int:
        telling = bool(self._untold) and not self._holds.held(OBSERVERS)
        batches = (*self._again, *self._risky)
        return telling + len(self._queue) + len(self._chores) + sum(len(batch.items) for batch in batches)

    def heed(self, config: DaemonConfig) -> None:
        """From now on go by this configuration."""
        self._config = config
        self._queue.limit(config.job_bytes, config.job_files)

    def add_cut(self, work: Work) -> None:
        """The input is to be cut up."""
        self._chores.append(orders.cut(work, self._config))

    def add_assembly(self, work: Work) -> None:
        """The input's parts are to be put together."""
        self._chores.append(orders.assemble(work, self._config))

    def add_telling(self, report: JobReport | FileReport) -> None:
        """Observing plugins are to be told something."""
        self._untold.append(report)

    def rest_observers(self, death: str) -> None:
        """Telling them ended its worker: what it was told is not told again, and the next has to wait a while."""
        self._holds.hold_for(OBSERVERS, ClassifydError(death), "what was told is not told again; no input is concerned")

    def add_splits(self, work: Work) -> None:
        """The input's splits that have no part yet are to be annotated."""
        size = work.claim.size if work.plan is None else work.split_bytes
        for split in work.splits():
            self._queue.add(work.key, Waiting(split, size, alone=bool(split.suspects)))

    def put_back(self, order: Order) -> None:
        """A job that was given out, or nearly, waits again as it was."""
        if order.items:
            self._again.append(Batch(order.works[0].key, order.items))
        else:
            self._chores.append(order)

    def give_back(self, order: Order) -> None:
        """A job ended through no fault of its inputs: they wait again, and the attempt does not count."""
        self.uncount(order)
        self.put_back(order)

    def uncount(self, order: Order) -> None:
        """The attempt does not count; an input that was begun anew meanwhile has none."""
        for item, work in zip(order.items, order.works, strict=False):
            work.attempts[item.split.number] = max(0, work.attempts.get(item.split.number, 0) - 1)

    def put_back_apart(self, key: Key, *groups: tuple[Waiting, ...]) -> None:
        """Splits that were given out together wait again, each group for a job of its own."""
        self._again.extend(Batch(key, group) for group in groups if group)

    def blocked(self, key: Key) -> bool:
        """Whether inputs of that key have to wait: for their folders, for a task, or for who paused them."""
        if key.inbox in self._pauses or self._holds.held(key.inbox):
            return True
        return any(self._breakers.tripped(task) for task, _ in key.tasks)

    def next(self, works: Mapping[str, Work], under_way: Sequence[Order]) -> Order | None:
        """The next job for a free worker; splits of inputs that are through, or begun anew, are passed over."""
        if len(self._untold) >= TOLD_TOGETHER and (telling := self._next_telling(under_way)) is not None:
            return telling
        waiting = {self._rank(inbox) for inbox in self._inboxes()}
        for rank in self._precedence.order(waiting):
            order = self._next_of(rank, works, under_way)
            if order is not None:
                if order.works:
                    self._precedence.given(rank, waiting)
                return order
        return self._next_telling(under_way)

    def _inboxes(self) -> set[str]:
        """The inboxes of which something waits, even if it has to."""
        batches = {batch.key.inbox for batch in (*self._again, *self._risky)}
        return batches | self._queue.inboxes() | {work.inbox.name for chore in self._chores for work in chore.works}

    def _next_of(self, rank: int, works: Mapping[str, Work], under_way: Sequence[Order]) -> Order | None:
        def allowed(key: Key) -> bool:
            return self._rank(key.inbox) == rank and not self.blocked(key)

        at_risk = any(order.risky for order in under_way)
        while (batch := self._next_batch(allowed, at_risk=at_risk)) is not None:
            # Small inputs go before the cutting of giants, which takes a while; ranges of large ones go after it.
            if batch.items[0].split.cut is not None and (chore := self._next_chore(allowed, under_way)) is not None:
                self._again.insert(0, batch)
                return chore
            order = self._order(batch, works)
            if order is not None and order.risky and at_risk:
                self._risky.append(batch)
            elif order is not None:
                return order
        return self._next_chore(allowed, under_way)

    def _next_batch(self, allowed: Callable[[Key], bool], *, at_risk: bool) -> Batch | None:
        for place, batch in enumerate(self._risky):
            if not at_risk and allowed(batch.key):
                return self._risky.pop(place)
        for place, batch in enumerate(self._again):
            if allowed(batch.key):
                return self._again.pop(place)
        return self._queue.take(allowed, self._job_bytes)

    def _job_bytes(self, kind: Kind) -> int:
        return self._rates.bytes_in(kind, self._config.split_seconds)

    def _next_chore(self, allowed: Callable[[Key], bool], under_way: Sequence[Order]) -> Order | None:
        if self._enough_chores(under_way):
            return None
        self._chores = [chore for chore in self._chores if not any(work.cancelled for work in chore.works)]
        at_risk = any(order.risky for order in under_way)
        for place, chore in enumerate(self._chores):
            if not chore.works or (allowed(chore.works[0].key) and not (chore.risky and at_risk)):
                return self._chores.pop(place)
        return self._next_telling(under_way)

    def _next_telling(self, under_way: Sequence[Order]) -> Order | None:
        if not self._untold or self._holds.held(OBSERVERS) or self._enough_chores(under_way):
            return None
        reports = [self._untold.popleft() for _ in range(min(len(self._untold), TOLD_TOGETHER))]
        jobs = tuple(report for report in reports if isinstance(report, JobReport))
        files = tuple(report for report in reports if isinstance(report, FileReport))
        return orders.observe(Observe(jobs, files), self._config)

    def _enough_chores(self, under_way: Sequence[Order]) -> bool:
        """A chore may last: one worker is left to those who come meanwhile, where there are several."""
        return sum(not order.items for order in under_way) >= max(1, self._config.workers - 1)

    def _order(self, batch: Batch, works: Mapping[str, Work]) -> Order | None:
        pairs = [(item, works[item.split.claim]) for item in batch.items if item.split.claim in works]
        # An input that was begun anew has left splits of its old plan in the lines.
        pairs = [(item, work) for item, work in pairs if work.digest in item.split.part and not work.cancelled]
        if not pairs:
            return None
        items = [_as_now_suspected(item, work) for item, work in pairs]
        return orders.annotate([work for _, work in pairs], items, self._config)


def _as_now_suspected(item: Waiting, work: Work) -> Waiting:
    return replace(item, split=replace(item.split, suspects=work.suspects.get(item.split.number, ())))
