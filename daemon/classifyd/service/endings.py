"""Bringing inputs to their end, also when a disk will not have it: what could not be finished is tried again."""

from collections.abc import Callable
from dataclasses import dataclass

from classifyd.config import Access
from classifyd.errors import DiskFault
from classifyd.ledger import Entry, Ledger
from classifyd.service.dispatch import Dispatcher
from classifyd.service.holds import Holds
from classifyd.service.publish import Publisher
from classifyd.service.results import Results
from classifyd.service.retire import Retirement
from classifyd.service.work import Work
from classifyd.values import Fault


@dataclass(frozen=True, slots=True)
class _End:
    """An input that is to end: published if there is no fault, else quarantined."""

    work: Work
    fault: Fault | None = None


class Endings:
    """Inputs between their last job and their retirement. `settled` is called when one has reached it."""

    def __init__(
        self, publisher: Publisher, retirement: Retirement, dispatcher: Dispatcher, ledger: Ledger, holds: Holds
    ) -> None:
        self._pending: dict[str, _End] = {}
        self._publisher = publisher
        self._retirement = retirement
        self._dispatcher = dispatcher
        self._ledger = ledger
        self._holds = holds

    def works(self) -> list[Work]:
        """The inputs that are not at their end yet."""
        return [end.work for end in self._pending.values()]

    def bring(self, results: Results) -> None:
        """End what the dispatcher is through with; each inbox's inputs as one group, so that none blocks another."""
        groups: dict[tuple[str, Access], list[Work]] = {}
        for work in results.ready:
            if self._withdraw(_End(work)):
                groups.setdefault((work.inbox.name, work.inbox.access), []).append(work)
        for (inbox, _), works in groups.items():
            self._try(inbox, self._publisher.publish, works)
        for work, fault in results.condemned:
            if self._withdraw(_End(work, fault)):
                self._try(work.inbox.name, self._retirement.condemn, work, fault)

    def take_up(self, work: Work, entry: Entry) -> None:
        """End what an earlier run had begun to end."""
        self._pending[work.claim.id] = _End(work, entry.fault)
        self._try(work.inbox.name, self._resume, work, entry)

    def retry(self) -> None:
        """Try once more what a disk refused, as soon as its inbox's hold is over: all of an inbox's, whoever fails."""
        due = {end.work.inbox.name for end in self._pending.values()}
        for inbox in [name for name in due if not self._holds.held(name)]:
            works = [end.work for end in self._pending.values() if end.work.inbox.name == inbox]
            ended = [self._try(inbox, self._go_on, work) for work in works if not self._retirement.copying(work)]
            if ended and all(ended):
                self._holds.release(inbox)

    def settled(self, work: Work) -> None:
        """The input is retired, quarantined, vanished, or begun anew."""
        self._pending.pop(work.claim.id, None)

    def _withdraw(self, end: _End) -> bool:
        claim = end.work.claim.id
        if claim not in self._dispatcher.works:
            return False
        self._dispatcher.drop(claim)
        self._pending[claim] = end
        return True

    def _go_on(self, work: Work) -> None:
        self._resume(work, self._ledger.entry(work.claim.id))

    def _resume(self, work: Work, entry: Entry | None) -> None:
        if entry is not None and self._publisher.resume(work, entry):
            return
        fault = self._pending[work.claim.id].fault
        if fault is None:
            self._publisher.publish([work])
        else:
            self._retirement.condemn(work, fault)

    def _try(self, inbox: str, step: Callable[..., None], *arguments: object) -> bool:
        try:
            step(*arguments)
        except (OSError, DiskFault) as error:
            self._holds.hold_for(inbox, error, "its outputs wait")
            return False
        return True
