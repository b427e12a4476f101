"""An input at its end, with all that its last steps need to know and what they tell of it."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import structlog

from classifyd.jobs import Claim
from classifyd.reports import FileReport, PartReport
from classifyd.service.work import Work

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ending:
    """Made from live work or from the ledger."""

    claim: Claim
    work: Work
    part: Path
    total: PartReport

    @classmethod
    def without_answer(cls, work: Work) -> Self:
        """The end of an input that nothing was said of."""
        return cls(work.claim, work, work.result, PartReport(work.claim.id, 0))

    def log_published(self) -> None:
        """Tell the log."""
        log.info(
            "published",
            file=self.work.shown,
            inbox=self.work.inbox.name,
            records=self.total.records,
            errors=self.total.errors,
            review=self.total.reviews,
            seconds=round(time.time() - self.work.claim.claimed_at, 3),
        )

    def report(self, state: str, output: str | None, reason: str = "") -> FileReport:
        """What observers and metrics are told."""
        work, total = self.work, self.total
        dropped_at = work.claim.dropped_at
        return FileReport(
            work.inbox.name,
            work.shown,
            state,
            total.records,
            total.errors,
            total.reviews,
            output,
            time.time() - work.claim.claimed_at,
            reason,
            None if dropped_at is None else max(0.0, work.claim.claimed_at - dropped_at),
            total.counts,
            total.doubts,
        )
