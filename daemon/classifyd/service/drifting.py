"""The newest answers of each task that serves, held against the baseline of its bundle."""

from collections.abc import Iterable, Mapping

from classifyd.bundles import Store
from classifyd.config import Config
from classifyd.drift import Baseline, Drift, Window, drift
from classifyd.errors import BundleError
from classifyd.jobs import Profile
from classifyd.service.tasks import Versions


class Drifting:
    """Fed and asked by the main loop. A version that serves no more is forgotten: the next has its own baseline."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, int | None], Window] = {}
        self._baselines: dict[tuple[str, int], Baseline] = {}

    def seen(self, profiles: Iterable[Profile]) -> None:
        """A worker is through with a job."""
        for profile in profiles:
            self._windows.setdefault((profile.task, profile.version), Window()).add(profile)

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
