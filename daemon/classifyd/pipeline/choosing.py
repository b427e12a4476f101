"""What tasks choose on this machine where their options leave something open: asked for, and recalled."""

from collections.abc import Mapping
from dataclasses import replace

from classifyd import bundles
from classifyd.api import ChoosingTask, PluginError, Setup
from classifyd.jobs import TaskSpec
from classifyd.pipeline.border import Border
from classifyd.plugins import Registry
from classifyd.values import Choice


class Chooser:
    """Asks the tasks of a registry, as they would be loaded on so many threads of a device.

    Its methods raise what the tasks raise, and BundleError if a bundle cannot be opened.
    """

    def __init__(self, registry: Registry, border: Border, device: str, threads: int) -> None:
        self._registry = registry
        self._border = border
        self._device = device
        self._threads = threads

    def question(self, spec: TaskSpec) -> str | None:
        """A name for all that a task would choose by; None if it has nothing to choose."""
        task = self._registry.task(spec.name)
        if not isinstance(task, ChoosingTask):
            return None
        with self._border:
            return task.undecided(self._setup(spec))

    def recalled(self, spec: TaskSpec, known: Mapping[str, Choice]) -> Choice | None:
        """What a task chose before, if that still holds."""
        question = self.question(spec)
        return None if question is None else known.get(question)

    def with_recalled(self, spec: TaskSpec, known: Mapping[str, Choice]) -> TaskSpec:
        """The spec as a daemon would load it that knows of these choices: as it is where none holds."""
        try:
            choice = self.recalled(spec, known)
        except Exception:  # noqa: BLE001  # whatever is wrong with the bundle or the options is told when it is loaded
            return spec
        return replace(spec, options={**spec.options, **choice.options}) if choice is not None else spec

    def choose(self, spec: TaskSpec) -> Choice:
        """What a task chooses that has something to choose."""
        task = self._registry.task(spec.name)
        assert isinstance(task, ChoosingTask)
        setup = self._setup(spec)
        if setup.bundle is not None:
            bundles.verify(setup.bundle)
        with self._border:
            found = task.choose(setup)
        if not isinstance(found, Choice) or not all(isinstance(value, str) for value in found.options.values()):
            raise PluginError(f"task {spec.name!r} chose {found!r}; it must be a Choice whose options are texts")
        return found

    def _setup(self, spec: TaskSpec) -> Setup:
        bundle = None
        if spec.bundle is not None and spec.version is not None:
            bundle = bundles.open_version(spec.bundle, spec.name, spec.version)
        return Setup(spec.name, spec.options, bundle, self._device, self._threads)
