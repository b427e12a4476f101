"""Going on with an input that was claimed in an earlier run: with its parts, and with what it is suspected of."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from classifyd.inbox.claims import unchanged
from classifyd.inbox.scan import look
from classifyd.jobs import Claim
from classifyd.ledger import Entry, Ledger
from classifyd.service.aftermath import Aftermath
from classifyd.service.dispatch import Dispatcher
from classifyd.service.work import Work, output_name
from classifyd.values import Fault


class Resuming:
    """Hands claimed inputs to the dispatcher as far as they had come; `again` begins one anew."""

    def __init__(
        self, ledger: Ledger, dispatcher: Dispatcher, aftermath: Aftermath, *, again: Callable[[Work, Claim], None]
    ) -> None:
        self._ledger = ledger
        self._dispatcher = dispatcher
        self._aftermath = aftermath
        self._again = again

    def go_on(self, work: Work, entry: Entry) -> Fault | None:
        """Go on with a claimed input: its parts are kept if it is still what it was, and its format too.

        The reason if it is given up instead, because too many daemons have ended over it.
        """
        now = look(work.claim.path, work.claim.name)
        assert now is not None
        if not unchanged(now, work.claim):
            self._again(work, replace(work.claim, size=now.size, mtime_ns=now.mtime_ns))
            return None
        if Path(work.output).suffix != Path(output_name(work.claim.name, work.format)).suffix:
            self._again(work, work.claim)  # the inbox's format was changed
            return None
        work.plan = entry.plan if entry.plan and _spool_is_there(entry) else None
        self._suspect(work)
        for suspect in (suspect for suspects in work.suspects.values() for suspect in suspects):
            if suspect.is_whole and suspect.convicted:
                return Fault("DaemonEnded", f"{work.shown}: {suspect.reason}")
        for report in self._ledger.parts(work.claim.id):
            part = work.result if work.plan is None else work.part(report.number)
            if part.is_file() and part.stat().st_size == report.size and (work.plan is None) == (not work.large):
                work.reports[report.number] = report
        self._dispatcher.add(work)
        return None

    def _suspect(self, work: Work) -> None:
        """Know the input's suspects, also those for which the daemon's end speaks."""
        known = self._ledger.suspects(work.claim.id)
        work.suspects = self._aftermath.suspects(work.claim.id, known)
        if work.suspects != known:
            with self._ledger.commit():
                for number, suspects in work.suspects.items():
                    self._ledger.suspected(work.claim.id, number, suspects)


def is_there(work: Work) -> bool:
    """Whether the input still lies where it was claimed; one that stays in place, whether it is still the same."""
    now = look(work.claim.path, work.claim.name)
    return now is not None and (not work.in_place or unchanged(now, work.claim))


def _spool_is_there(entry: Entry) -> bool:
    return entry.plan is not None and (entry.plan.spool is None or Path(entry.plan.spool).is_file())
