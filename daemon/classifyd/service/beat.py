"""The daemon's heartbeat: a small file that `status` reads, and a line for systemd."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from classifyd.drift import Drift
from classifyd.notify import Notifier
from classifyd.progress import Progress
from classifyd.service.dispatch import Dispatcher
from classifyd.service.intake import Intake
from classifyd.service.receivers import Waiting
from classifyd.service.succession import Succession
from classifyd.status.heartbeat import FILE
from classifyd.workers import NodeLevel

BEAT_SECONDS = 1.0


class Beat:
    """Writes the heartbeat, at most once a second."""

    def __init__(
        self,
        state: Path,
        dispatcher: Dispatcher,
        succession: Succession,
        *,
        troubles: Callable[[], Mapping[str, str]],
        intakes: Mapping[str, Intake],
        notifier: Notifier,
        stuck: Callable[[], bool],
        page: Callable[[], str] = str,
        progress: Callable[[float], Sequence[Progress]] = lambda _: (),
        unmet: Callable[[], Mapping[str, str]] = dict,
        receivers: Callable[[], Mapping[str, Waiting]] = dict,
        drift: Callable[[], Mapping[str, Drift]] = dict,
        nodes: Callable[[], tuple[NodeLevel, ...]] = tuple,
    ) -> None:
        self._path = state / FILE
        self._dispatcher = dispatcher
        self._succession = succession
        self._troubles = troubles
        self._intakes = intakes
        self._notifier = notifier
        self._stuck = stuck
        self._page = page
        self._progress = progress
        self._unmet = unmet
        self._receivers = receivers
        self._drift = drift
        self._nodes = nodes
        self._started_at = time.time()
        self._next = 0.0

    def beat(self) -> bool:
        """Write the heartbeat if it is due, and say whether it was; a full disk is no reason to stop."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + BEAT_SECONDS
        document = self._document()
        draft = self._path.with_suffix(".tmp")
        with contextlib.suppress(OSError):
            draft.write_text(json.dumps(document), encoding="ascii")
            draft.replace(self._path)
        # A job so late that nobody waits for its worker any more keeps its input: only a new daemon helps, which
        # systemd starts once it was not told for a while that this one is alive.
        if not self._stuck():
            self._notifier.alive()
        self._notifier.status(self._line())
        return True

    def end(self) -> None:
        """Say that the daemon no longer runs."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _line(self) -> str:
        waiting = sum(intake.waiting for intake in self._intakes.values())
        serving = ", ".join(f"{task}@{version}" for task, version in self._succession.serving.items() if version)
        parts = [f"{waiting} files wait, {len(self._dispatcher.works)} inputs in work, {self._dispatcher.busy} jobs"]
        parts += [f"serving {serving}"] if serving else []
        parts += [f"refused: {', '.join(self._succession.refused)}"] if self._succession.refused else []
        parts += [f"held: {', '.join(self._troubles())}"] if self._troubles() else []
        parts += ["the configuration is not wholly in force: see classifyd status"] if self._unmet() else []
        parts += ["a worker cannot be ended"] if self._stuck() else []
        return "; ".join(parts)

    def _document(self) -> dict[str, object]:
        return {
            "pid": os.getpid(),
            "at": time.time(),
            "started_at": self._started_at,
            "busy_workers": self._dispatcher.busy,
            "waiting_splits": self._dispatcher.waiting,
            "bytes_per_second": round(self._dispatcher.rates.latest),
            "waiting_files": {name: intake.waiting for name, intake in self._intakes.items()},
            "held": dict(self._troubles()),
            "page": self._page(),
            "unmet": dict(self._unmet()),
            "progress": [asdict(one) for one in self._progress(time.monotonic())],
            "nodes": [{"node": one.node, "actors": one.actors, "jobs": one.jobs} for one in self._nodes()],
            "serving": dict(self._succession.serving),
            "loading": self._succession.loading,
            "receivers": {name: asdict(waiting) for name, waiting in self._receivers().items()},
            "drift": {task: asdict(found) for task, found in self._drift().items()},
            "refused": {
                task: {"version": refusal.version, "reason": refusal.reason}
                for task, refusal in self._succession.refused.items()
            },
        }
