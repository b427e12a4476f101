"""The task that is tried: loaded once, and asked as the pipeline would ask it."""

from collections.abc import Sequence

from classifyd.api import BundleError, ClassifydError, Task
from classifyd.bundles import Store
from classifyd.conformance.findings import Failed, Request, Skipped
from classifyd.jobs import TaskSpec
from classifyd.pipeline.answers import checked
from classifyd.pipeline.border import Border
from classifyd.pipeline.loading import Loaded, Predictors
from classifyd.plugins import Registry
from classifyd.values import Annotation, Fault, Record


class Subject:
    """A task, with the version of its model that is in service."""

    def __init__(self, task: Task, registry: Registry, request: Request, border: Border) -> None:
        self.task = task
        self._request = request
        self._border = border
        self._predictors = Predictors(registry, border)
        self._fault: Exception | None = None
        self._version = Store(request.models).current(task.name)

    def loaded(self) -> Loaded:
        """Its predictor. Failed if it cannot be loaded, Skipped if that was told already, or it has no model yet."""
        if self._fault is not None:
            raise Skipped(str(self._fault)) from self._fault
        try:
            return self._predictors.get(self._spec(), self._request.device, self._request.threads)
        except ClassifydError as error:
            if self._version is None and isinstance(error, BundleError):
                train = f"no model yet; train one, and test again: classifyd train {self.task.name} --data FILE"
                self._fault = Skipped(train)
                raise self._fault from error
            self._fault = Skipped("it cannot be loaded")
            raise Failed(str(error)) from error
        except Exception as error:
            self._fault = Skipped("it cannot be loaded")
            raise Failed(f"{type(error).__name__}: {error}") from error

    def options(self) -> "dict[str, object]":
        """Its section of the configuration."""
        return dict(self._request.options.get(self.task.name, {}))

    def answers(self, records: Sequence[Record]) -> list[Annotation]:
        """What the pipeline would make of the answers. Failed if they are not as promised, or it raises."""
        loaded = self.loaded()
        try:
            with self._border:
                return checked(loaded, loaded.predictor.predict(records), records)
        except Exception as error:
            fault = Fault.of(error)
            raise Failed(fault.message if isinstance(error, ClassifydError) else f"{fault.type}: {error}") from error

    def _spec(self) -> TaskSpec:
        name = self.task.name
        bundle = None if self._version is None else Store(self._request.models).folder(name, self._version).resolve()
        return TaskSpec(name, self._version, bundle, self.options())
