"""What becomes of inputs that have come to an end, or have to begin anew: whoever has to know is told."""

from collections.abc import Callable, Iterable, Iterator

import structlog

from classifyd.errors import DiskFault
from classifyd.jobs import Claim
from classifyd.planning import Key
from classifyd.reports import FileReport
from classifyd.service.dispatch import Dispatcher
from classifyd.service.entrance import Entrance
from classifyd.service.holds import Breakers
from classifyd.service.outside import Outside
from classifyd.service.work import Work

log = structlog.get_logger()


class Fates:
    """Told by those who end inputs or begin them anew, each of which is passed on to `settled`.

    `quarantined` counts those that came to a bad end.
    """

    def __init__(
        self,
        entrance: Entrance,
        dispatcher: Dispatcher,
        breakers: Breakers,
        outside: Outside,
        *,
        settled: Callable[[Work], None],
    ) -> None:
        self.quarantined = 0
        self._entrance = entrance
        self._dispatcher = dispatcher
        self._breakers = breakers
        self._outside = outside
        self._settled = settled

    def again(self, work: Work, claim: Claim) -> None:
        """The input begins anew, as `claim` has it. DiskFault leaves it as it was."""
        self._entrance.again(work, claim)
        self._settled(work)

    def finished(self, work: Work, report: FileReport) -> None:
        """The input is retired, quarantined or gone."""
        self._settled(work)
        self._entrance.forget(work)
        self.quarantined += report.state == "quarantined"
        self._outside.finished(report, work.target if report.output else None)
        self._dispatcher.tell(report)

    # ------------------------------------------------------------------ versions

    def pinned(self) -> Iterator[Key]:
        """The keys of all inputs in work, which say what versions they are pinned to."""
        return (work.key for work in self._dispatcher.works.values())

    def repin(self, works: Iterable[Work]) -> None:
        """Inputs whose tasks cannot be loaded at the versions they were pinned to take those that serve now."""
        for work in works:
            try:
                if work.claim.id in self._dispatcher.works and self._entrance.repinned(work):
                    log.info("repinned", file=work.shown, inbox=work.inbox.name)
            except DiskFault as error:
                log.warning("not_repinned", file=work.shown, error=str(error))

    def taken_over(self, tasks: tuple[str, ...]) -> None:
        """Inputs that wait for a task to recover need not wait any more: it now serves at another version."""
        recovered = {task for task in tasks if self._breakers.worked(task)}
        self.repin([work for work in self._dispatcher.works.values() if recovered & set(work.inbox.tasks)])
