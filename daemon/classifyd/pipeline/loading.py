"""Predictors, loaded once per worker and kept while jobs ask for the same task at the same version."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from classifyd import bundles
from classifyd.api import Bundle, ClassifydError, Predictor, Setup
from classifyd.jobs import TaskSpec
from classifyd.pipeline.border import Border
from classifyd.plugins import Registry
from classifyd.values import EMPTY, Annotation, Fault

KEPT_VERSIONS = 2


@dataclass(frozen=True, slots=True)
class Loaded:
    """A predictor with the spec it was loaded for.

    `model` is the name that its answers carry. A label whose score is under `review_below` is too doubtful to trust:
    the configuration says so, else the bundle. `thresholds` are what the bundle's training promised with, by label, of
    texts and of spans. `marks_spans` tells spans from labels, None where no bundle says it.
    """

    spec: TaskSpec
    predictor: Predictor
    model: str
    review_below: float
    marks_spans: bool | None = None
    thresholds: Mapping[str, float] = EMPTY
    own_review_below: float = 0.0
    """What the bundle says, where the configuration does not."""

    def doubts(self, annotation: Annotation) -> bool:
        """Whether an answer is for review: its label, or one of its spans, scores under what is asked of it.

        A label with a threshold of its own goes by that, and by what the configuration asks for; the bundle's general
        score is for the others. Of spans that is none: only a threshold of their own and the configuration's count.
        """
        least = self.spec.review_below or 0.0
        spans = (span.score < max(self.thresholds.get(span.label, 0.0), least) for span in annotation.spans or ())
        return any(spans) or any(label.score < self.asked(label.label) for label in annotation.labels[:1])

    def asked(self, label: str) -> float:
        """The score under which an answer of that label is for review, of a task that labels whole texts."""
        promised = self.thresholds.get(label)
        if promised is None:
            return self.review_below
        return max(promised, self.spec.review_below or 0.0)


class Predictors:
    """The worker's loaded tasks. A task's second-newest version stays, for inputs that were claimed under it."""

    def __init__(self, registry: Registry, border: Border) -> None:
        self._registry = registry
        self._border = border
        self._loaded: dict[str, Loaded] = {}

    def get(self, spec: TaskSpec, device: str, threads: int) -> Loaded:
        """The predictor for a spec, loaded at the first call. Raises what the task's `load` raises."""
        key = json.dumps([spec.name, spec.version, str(spec.bundle), dict(spec.options), device, threads], default=str)
        if key not in self._loaded:
            self._forget_old(spec.name)
            self._loaded[key] = self._load(spec, device, threads)
        loaded = self._loaded[key]
        # Thresholds may change while a model stays loaded.
        return loaded if loaded.spec == spec else replace(loaded, spec=spec, review_below=_asked_of(spec, loaded))

    def try_all(self, specs: Iterable[TaskSpec], device: str, threads: int) -> dict[str, Fault]:
        """Load every spec; the fault of each task that cannot be."""
        faults = {}
        for spec in specs:
            try:
                self.get(spec, device, threads)
            except ClassifydError as error:
                faults[spec.name] = Fault.of(error)
            except Exception as error:  # noqa: BLE001  # a task is foreign code: its fault is reported as its own
                faults[spec.name] = Fault(type(error).__name__, f"task {spec.name!r} cannot be loaded: {error}")
        return faults

    def _load(self, spec: TaskSpec, device: str, threads: int) -> Loaded:
        bundle = _opened(spec)
        task = self._registry.task(spec.name)
        with self._border.call(f"{spec.name}: load", version=spec.version):
            predictor = task.load(Setup(spec.name, spec.options, bundle, device, threads))
        return Loaded(
            spec,
            predictor,
            _model(spec, predictor),
            _review_below(spec, bundle),
            _marks_spans(bundle),
            _thresholds(bundle).get("labels", EMPTY),
            float(_thresholds(bundle).get("review", 0.0)),
        )

    def _forget_old(self, task: str) -> None:
        keys = [key for key, loaded in self._loaded.items() if loaded.spec.name == task]
        for key in keys[: len(keys) - KEPT_VERSIONS + 1]:
            close = getattr(self._loaded.pop(key).predictor, "close", None)
            if close is not None:
                with self._border.call(f"{task}: close"):
                    close()


def _opened(spec: TaskSpec) -> Bundle | None:
    """The spec's bundle, every digest checked: those of files too that the task itself will never read."""
    if spec.bundle is None or spec.version is None:
        return None
    bundle = bundles.open_version(spec.bundle, spec.name, spec.version)
    bundles.verify(bundle)
    return bundle


def _marks_spans(bundle: Bundle | None) -> bool | None:
    return None if bundle is None else bundle.manifest.get("kind") == "token"


def _asked_of(spec: TaskSpec, loaded: Loaded) -> float:
    return loaded.own_review_below if spec.review_below is None else spec.review_below


def _review_below(spec: TaskSpec, bundle: Bundle | None) -> float:
    if spec.review_below is not None:
        return spec.review_below
    return float(_thresholds(bundle).get("review", 0.0))


def _thresholds(bundle: Bundle | None) -> Mapping[str, Any]:
    found: Mapping[str, Any] = bundle.manifest.get("thresholds", EMPTY) if bundle else EMPTY
    return found


def _model(spec: TaskSpec, predictor: Predictor) -> str:
    version = getattr(predictor, "version", None)
    if isinstance(version, str) and version:
        return version if "@" in version else f"{spec.name}@{version}"
    return f"{spec.name}@{spec.version}" if spec.version is not None else spec.name
