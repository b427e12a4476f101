"""Which bundle version serves each task here: pinned for an input at its claim, changed by a take-over only."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace

from classifyd.bundles import CURRENT, Store
from classifyd.config import Config, InboxConfig, TaskConfig
from classifyd.errors import BundleError
from classifyd.jobs import TaskSpec

Versions = Mapping[str, int | None]
"""A version for each task; None for a task without models."""

Pin = tuple[str, int | None]
"""A task and its version."""

Stamp = tuple[tuple[str, int, int, int], ...]
"""What files look like from outside: name, inode, size and time of each."""


class Tasks:
    """The versions in service, and the specs that jobs carry.

    `names` are all that an inbox asks for. `serving` are the versions that new inputs are pinned to. They begin as
    `current` has it, or as `inherited` from the daemon before, whose workers had them loaded.
    """

    def __init__(self, config: Config, inherited: Versions | None = None) -> None:
        self._config = config
        self._store = Store(config.models)
        self.names = sorted({task for inbox in config.inboxes for task in inbox.tasks})
        self._inherited = inherited or {}
        self._chosen: dict[Pin, Mapping[str, str]] = {}
        self.serving: Versions = {}
        self._coming = config

    def heed(self, config: Config) -> None:
        """From now on go by this configuration. Tasks that it does not name any more stay loaded."""
        self._config = self._coming = config

    def ask_for(self, config: Config | None) -> None:
        """Have the tasks of a configuration loaded besides those that serve; with None, those alone."""
        self._coming = config or self._config
        asked = {task for inbox in config.inboxes for task in inbox.tasks} if config else set()
        self.names = sorted({*self.serving, *asked})

    def begin(self) -> None:
        """Settle what serves at the start. BundleError if a `current` cannot be read."""
        self.serving = {
            task: self._inherited[task] if task in self._inherited else self._store.current(task) for task in self.names
        }

    def current(self, inbox: InboxConfig) -> dict[str, int | None]:
        """The versions that serve an inbox's tasks now."""
        return {task: self.serving[task] for task in inbox.tasks}

    def promoted(self) -> tuple[dict[str, int | None], dict[str, str]]:
        """What each task's `current` names now, and why it cannot be read where that is so."""
        versions: dict[str, int | None] = {}
        faults: dict[str, str] = {}
        for task in self.names:
            try:
                versions[task] = self._store.current(task)
            except BundleError as error:
                faults[task] = str(error)
        return versions, faults

    def before(self, task: str) -> int | None:
        """The version that served a task before the one that serves; None if there is none."""
        return self._store.before(task, self.serving[task])

    def stamp(self, task: str, version: int | None) -> Stamp:
        """What `current` and a version's folder look like, by which a change of either is seen."""
        folder = self._store.path / task
        paths = [folder / CURRENT]
        if version is not None:
            paths += sorted(self._store.folder(task, version).glob("*"))
        return tuple(_look(str(path)) for path in paths)

    def specs(self, tasks: Iterable[str], versions: Versions) -> tuple[TaskSpec, ...]:
        """The specs of some tasks at the given versions."""
        return tuple(self._spec(task, versions.get(task)) for task in tasks)

    def unasked(self, pins: Iterable[Pin]) -> tuple[TaskSpec, ...]:
        """The specs of those tasks at those versions that have not yet been asked what they choose."""
        return tuple(self._spec(*pin) for pin in dict.fromkeys(pins) if pin not in self._chosen)

    def choose(self, task: str, version: int | None, options: Mapping[str, str]) -> None:
        """Have all specs of a task at a version say what it chose; nothing if it chose nothing."""
        self._chosen[task, version] = options

    def _spec(self, task: str, version: int | None) -> TaskSpec:
        config = self._config if task in self.serving else self._coming
        found = spec(task, version, self._store, config)
        return replace(found, options={**found.options, **self._chosen.get((task, version), {})})


def spec(task: str, version: int | None, store: Store, config: Config) -> TaskSpec:
    """A task at a version, as the configuration alone has it."""
    settings = config.tasks.get(task) or TaskConfig()
    bundle = store.folder(task, version).resolve() if version is not None else None
    return TaskSpec(task, version, bundle, settings.options, settings.review_below)


def _look(path: str) -> tuple[str, int, int, int]:
    try:
        found = os.lstat(path)
    except OSError:
        return path, 0, 0, 0
    return path, found.st_ino, found.st_size, found.st_mtime_ns
