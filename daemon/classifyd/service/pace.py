"""How fast large inputs get on: looked at once a second, told by what was done in the last minutes."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from classifyd.progress import Progress
from classifyd.service.work import Work

WINDOW_SECONDS = 300.0
"""What is older says little of what is to come: other inputs have joined, or left, since then."""
TELLING_SECONDS = 2.0
"""Less than this tells nothing: several workers may bring their first splits at the same moment."""
SHOWN = 20
"""So many inputs are followed, the ones that were claimed first."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What was done in a second, of the whole input and in records."""

    share: float
    records: float


class Pace:
    """The moments at which one input was seen to have got on, by the monotonic clock."""

    def __init__(self) -> None:
        self._moments: deque[tuple[float, float, int]] = deque()

    def see(self, now: float, share: float, records: int) -> None:
        """So much is done. As long as nothing was, the time that it waits for its turn does not count."""
        if self._moments and now - self._moments[-1][0] > WINDOW_SECONDS:
            self.rest()
        moment = (now, share, records)
        if len(self._moments) == 1 and self._moments[0][1] == share:
            self._moments[0] = moment
        elif not self._moments or self._moments[-1][1] != share:
            self._moments.append(moment)
        while len(self._moments) > 2 and self._moments[1][0] < now - WINDOW_SECONDS:
            self._moments.popleft()

    def rest(self) -> None:
        """The input has to wait: what was measured says nothing of the time after."""
        self._moments.clear()

    def speed(self, now: float) -> Speed | None:
        """The mean speed since the oldest moment; None if too little was seen."""
        if len(self._moments) < 2 or now - self._moments[0][0] < TELLING_SECONDS:
            return None
        (began, first, before), (_, last, after) = self._moments[0], self._moments[-1]
        return Speed((last - first) / (now - began), (after - before) / (now - began))


class Paces:
    """Follows the large inputs in work. `works` gives all that are, `blocked` says which of them have to wait."""

    def __init__(self, works: Callable[[], Iterable[Work]], blocked: Callable[[Work], bool]) -> None:
        self._works = works
        self._blocked = blocked
        self._paces: dict[str, Pace] = {}
        self.latest: tuple[Progress, ...] = ()

    def look(self, now: float) -> tuple[Progress, ...]:
        """How far each is at the monotonic time `now`; also kept as `latest`."""
        works = list(islice((work for work in self._works() if work.large), SHOWN))
        self._paces = {work.claim.id: self._paces.get(work.claim.id) or Pace() for work in works}
        self.latest = tuple(self._progress(work, self._paces[work.claim.id], now) for work in works)
        return self.latest

    def _progress(self, work: Work, pace: Pace, now: float) -> Progress:
        name, claim, plan = work.shown, work.claim, work.plan
        if plan is None:
            return Progress(work.inbox.name, name, claim.id, "cutting", claim.size)
        share = _share([cut.end - cut.start for cut in plan.cuts], work.reports)
        records = sum(report.records for report in work.reports.values())
        stage: Literal["annotating", "assembling"] = "assembling" if work.complete() else "annotating"
        if self._blocked(work):
            pace.rest()
        else:
            pace.see(now, share, records)
        speed = pace.speed(now) if stage == "annotating" else None
        return Progress(
            work.inbox.name,
            name,
            claim.id,
            stage,
            claim.size,
            len(plan.cuts),
            len(work.reports),
            share,
            records,
            speed.records if speed else None,
            (1 - share) / speed.share if speed else None,
        )


def _share(widths: Sequence[int], done: Iterable[int]) -> float:
    """What the splits that are done make up of the whole, by their widths."""
    whole = sum(widths)
    return sum(widths[number] for number in done) / whole if whole else 0.0
