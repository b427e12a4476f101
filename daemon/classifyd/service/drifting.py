"""The newest answers of each task that serves, held against the baseline of its bundle, and kept over restarts."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import structlog

from classifyd.bundles import Store
from classifyd.config import Config
from classifyd.drift import Baseline, Drift, Window, drift
from classifyd.errors import BundleError
from classifyd.reports import Profile
from classifyd.service import sealed
from classifyd.service.tasks import Pin, Versions

log = structlog.get_logger()

FILE = "drift.json"
NAME = "windows"
KEEP_SECONDS = 60.0
"""What came in so long is lost at most to a daemon that is killed: of 5,000 records it is few, and no input is lost."""


class Drifting:
    """Fed and asked by the main loop. A version that serves no more is forgotten: the next has its own baseline."""

    def __init__(self) -> None:
        self._windows: dict[Pin, Window] = {}
        self._baselines: dict[tuple[str, int], Baseline] = {}
        self._changed = False
        self._due = 0.0

    def remember(self, state: Path) -> None:
        """Begin with what the daemon before has kept in the state folder; with nothing if that cannot be read."""
        if self._windows:
            return  # it was in this process
        try:
            blocks = [Profile(**one) for one in sealed.read(state / FILE, NAME)]
        except FileNotFoundError:
            return
        except sealed.UNREADABLE as error:
            why = f"{state / FILE}: cannot be read: {error}"
            log.warning("drift_not_read", error=why, consequence="drift is measured from nought")
            return
        for key in {(block.task, block.version) for block in blocks}:
            self._windows[key] = Window(block for block in blocks if (block.task, block.version) == key)

    def keep(self, state: Path, *, at_once: bool = False) -> None:
        """Put on the disk what has come in, once a minute or now; a disk that refuses is no reason to stop."""
        now = time.monotonic()
        if not self._changed or (now < self._due and not at_once):
            return
        self._due = now + KEEP_SECONDS
        try:
            blocks = (block for window in self._windows.values() for block in window.blocks)
            sealed.write(state / FILE, NAME, [_told(block) for block in blocks])
        except OSError as error:
            why = f"{state / FILE}: cannot be written: {error.strerror or error}"
            log.warning("drift_not_kept", error=why, consequence="a restart measures drift from what was kept before")
            return
        self._changed = False

    def seen(self, profiles: Iterable[Profile], config: Config) -> None:
        """A worker is through with a job."""
        for profile in profiles:
            pin = profile.task, profile.version
            known = {} if profile.version is None else self._baseline(profile.task, profile.version, config).labels
            self._windows.setdefault(pin, Window()).add(profile, known)
            self._changed = True

    def found(self, serving: Versions, config: Config) -> dict[str, Drift]:
        """How each task that has a model fares."""
        models = {(task, version) for task, version in serving.items() if version is not None}
        self._windows = {key: window for key, window in self._windows.items() if key in models}
        return {task: self._of(task, version, config) for task, version in sorted(models)}

    def _of(self, task: str, version: int, config: Config) -> Drift:
        window = self._windows.get((task, version))
        now = window.total() if window else Profile(task, version)
        # A score of the configuration's own below which answers are for review is not the one that the bundle had.
        settings = config.task(task)
        return drift(
            now,
            self._baseline(task, version, config),
            reviews=settings.review_below is None,
            warned=settings.drift_warning,
        )

    def _baseline(self, task: str, version: int, config: Config) -> Baseline:
        """Read once: a version never changes."""
        if (task, version) not in self._baselines:
            try:
                manifest: Mapping[str, object] = Store(config.models).open(task, version).manifest
            except BundleError:
                return Baseline({})  # `status` and the log say what is wrong with it
            self._baselines[task, version] = Baseline.of(manifest)
        return self._baselines[task, version]


def _told(block: Profile) -> dict[str, Any]:
    # Made a plain dictionary first: `asdict` turns a Counter into one that counts pairs.
    return asdict(replace(block, labels=dict(block.labels)))
