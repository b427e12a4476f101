"""The daemon at one moment, as it is shown outside."""

import time
from collections.abc import Callable, Mapping

from classifyd.metrics import InboxLevel, Levels
from classifyd.service.dispatch import Dispatcher
from classifyd.service.intake import Intake
from classifyd.service.outside import Outside
from classifyd.service.pace import Paces
from classifyd.service.receivers import Waiting
from classifyd.service.remains import Remains
from classifyd.service.shifts import Shifts
from classifyd.service.steering import Pauses
from classifyd.service.succession import Succession
from classifyd.web import Scene
from classifyd.workers import NodeLevel


class Picture:
    """Takes the picture, from the main loop's own parts."""

    def __init__(
        self,
        intakes: Mapping[str, Intake],
        remains: Remains,
        dispatcher: Dispatcher,
        *,
        shifts: Shifts,
        succession: Succession,
        paces: Paces,
        pauses: Pauses,
        receivers: Callable[[], Mapping[str, Waiting]],
        outside: Outside,
        nodes: Callable[[], tuple[NodeLevel, ...]] = tuple,
    ) -> None:
        self._intakes = intakes
        self._remains = remains
        self._dispatcher = dispatcher
        self._shifts = shifts
        self._succession = succession
        self._paces = paces
        self._pauses = pauses
        self._receivers = receivers
        self._outside = outside
        self._nodes = nodes

    def taken(self, held: Mapping[str, str], *, stopping: bool) -> Scene:
        """The scene of now; `held` is what makes inputs wait, and why."""
        succession = self._succession
        return Scene(
            state="stopping" if stopping else "running",
            turned_at=time.monotonic(),
            stuck=self._shifts.stuck,
            levels=self._levels(tuple(held), ready=not stopping),
            held=dict(held),
            loading=dict(succession.loading),
            refused={
                task: f"{_called(task, refusal.version)}: {refusal.reason}"
                for task, refusal in succession.refused.items()
            },
            bytes_per_second=self._dispatcher.rates.latest,
            progress=self._paces.latest,
            paused=dict(self._pauses.now),
        )

    def _levels(self, held: tuple[str, ...], *, ready: bool) -> Levels:
        return Levels(
            ready=ready,
            inboxes={name: self._inbox(intake) for name, intake in self._intakes.items()},
            workers=self._shifts.count,
            busy=self._dispatcher.busy,
            pids=self._shifts.pids,
            waiting_splits=self._dispatcher.waiting,
            serving=dict(self._succession.serving),
            refused=tuple(self._succession.refused),
            held=held,
            notices={name: waiting.count for name, waiting in self._receivers().items()},
            drift=self._outside.drift(self._succession.serving),
            nodes=self._nodes(),
            progress=self._paces.latest,
        )

    def _inbox(self, intake: Intake) -> InboxLevel:
        works = list(self._remains.works(intake))
        drops = [work.claim.dropped_at or work.claim.claimed_at for work in works]
        if intake.waiting and intake.oldest_at is not None:
            drops.append(intake.oldest_at)
        return InboxLevel(intake.waiting, len(works), min(drops, default=None), intake.inbox.name in self._pauses)


def _called(task: str, version: int | None) -> str:
    return "what is promoted" if version is None else f"{task}@{version}"
