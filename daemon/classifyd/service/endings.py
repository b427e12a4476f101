"""Bringing inputs to their end, also when a disk will not have it: what could not be finished is tried again.

What a disk or folder refuses holds the inbox. Trouble of one input alone, with its path or whatever nobody has thought
of, has that one wait by itself, and the rest of the inbox goes on.
"""

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

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

log = structlog.get_logger()

OF_A_PATH = frozenset({errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL})
"""What the system says of one path, where another one of the same folder may well do."""


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
        self._alone = Holds()

    def works(self) -> list[Work]:
        """The inputs that are not at their end yet."""
        return [end.work for end in self._pending.values()]

    def bring(self, results: Results) -> None:
        """End what the dispatcher is through with; each inbox's inputs as one group, so that none blocks another."""
        groups: dict[tuple[str, Access], list[Work]] = {}
        for work in results.ready:
            if self._withdraw(_End(work)):
                groups.setdefault((work.inbox.name, work.inbox.access), []).append(work)
        for works in groups.values():
            self._try(works, self._publisher.publish, works)
        for work, fault in results.condemned:
            if self._withdraw(_End(work, fault)):
                self._try([work], self._retirement.condemn, work, fault)

    def take_up(self, work: Work, entry: Entry) -> None:
        """End what an earlier run had begun to end."""
        self._pending[work.claim.id] = _End(work, entry.fault)
        self._try([work], self._resume, work, entry)

    def retry(self) -> None:
        """Try once more what a disk refused, as soon as its hold is over: all of an inbox's, whoever fails."""
        due = {end.work.inbox.name for end in self._pending.values()}
        for inbox in [name for name in due if not self._holds.held(name)]:
            works = [end.work for end in self._pending.values() if end.work.inbox.name == inbox]
            ended = [self._try([work], self._go_on, work) for work in works if self._may_go_on(work)]
            if ended and all(ended):
                self._holds.release(inbox)

    def settled(self, work: Work) -> None:
        """The input is retired, quarantined, vanished, or begun anew."""
        self._pending.pop(work.claim.id, None)
        self._alone.release(work.claim.id)

    def stuck(self, inbox: str) -> dict[str, str]:
        """The inputs of an inbox that wait by themselves, and why."""
        reasons = self._alone.reasons()
        works = [work for work in self.works() if work.inbox.name == inbox and work.claim.id in reasons]
        return {work.claim.name: reasons[work.claim.id] for work in works}

    def _may_go_on(self, work: Work) -> bool:
        return not (self._retirement.copying(work) or self._alone.held(work.claim.id))

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

    def _try(self, works: Sequence[Work], step: Callable[..., None], *arguments: object) -> bool:
        try:
            step(*arguments)
        except (OSError, DiskFault) as error:
            if isinstance(error, OSError) and _is_of_one(error, works):
                self._hold_alone(works, error)
            else:
                self._holds.hold_for(works[0].inbox.name, error, "its outputs wait")
            return False
        except Exception as error:
            log.exception("not_foreseen")
            self._hold_alone(works, error)
            return False
        return True

    def _hold_alone(self, works: Sequence[Work], error: Exception) -> None:
        """Have one input wait; of several nobody knows yet whose trouble it is, and each is tried by itself."""
        if len(works) > 1:
            return
        work = works[0]
        why = f"{work.shown}: {error.strerror if isinstance(error, OSError) else repr(error)}; it waits by itself"
        if self._alone.hold(work.claim.id, why):
            log.error("not_ended", file=work.shown, inbox=work.inbox.name, error=why, consequence="it waits")


def _is_of_one(error: OSError, works: Sequence[Work]) -> bool:
    """Whether it is one input's trouble: with its own path, or with reading it."""
    own = isinstance(error.filename, str) and any(
        Path(error.filename).name == Path(work.claim.path).name for work in works
    )
    return error.errno in OF_A_PATH or (own and error.errno in (errno.EACCES, errno.EPERM))
