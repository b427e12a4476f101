"""Which bundle version serves each task: what `current` says, pinned for an input at its claim."""

from collections.abc import Mapping

from classifyd.bundles import Store
from classifyd.config import Config, InboxConfig
from classifyd.jobs import TaskSpec


class Tasks:
    """Makes the specs that jobs carry, from the configuration and the model folder."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._store = Store(config.models)

    def current(self, inbox: InboxConfig) -> dict[str, int | None]:
        """The versions that serve an inbox's tasks now; None for a task without models. BundleError if unreadable."""
        return {task: self._store.current(task) for task in inbox.tasks}

    def specs(self, inbox: InboxConfig, versions: Mapping[str, int | None]) -> tuple[TaskSpec, ...]:
        """The specs of an inbox's tasks at the given versions."""
        return tuple(self._spec(task, versions.get(task)) for task in inbox.tasks)

    def in_service(self) -> tuple[TaskSpec, ...]:
        """The specs of every task that some inbox names, at the versions that serve now."""
        names = sorted({task for inbox in self._config.inboxes for task in inbox.tasks})
        return tuple(self._spec(task, self._store.current(task)) for task in names)

    def _spec(self, task: str, version: int | None) -> TaskSpec:
        settings = self._config.tasks.get(task)
        bundle = self._store.folder(task, version).resolve() if version is not None else None
        if settings is None:
            return TaskSpec(task, version, bundle)
        return TaskSpec(task, version, bundle, settings.options, settings.review_below)
