"""What `classifyd label` is asked for, on whatever engine, and what it comes to in tasks."""

from collections.abc import Sequence
from dataclasses import dataclass

from classifyd import plugins
from classifyd.bundles import Store
from classifyd.config import SAME, Config
from classifyd.config.sentences import nearest
from classifyd.errors import UsageError
from classifyd.jobs import TaskSpec
from classifyd.pipeline.border import Border
from classifyd.pipeline.choosing import Chooser
from classifyd.service.choices import Choices
from classifyd.service.tasks import spec


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    files: tuple[str, ...]
    tasks: tuple[str, ...]
    output: str
    format: str
    csv_formulas: str = "keep"


def checked(request: Request, registry: plugins.Registry, config: Config) -> tuple[TaskSpec, ...]:
    """What is to be decided. UsageError if a task, the format or another word of the request is not known."""
    specs = _specs(request.tasks, registry, config)
    if request.format not in (SAME, *registry.writers):
        known = nearest(request.format, (SAME, *registry.writers))
        raise UsageError(f"--format {request.format}: no installed plugin writes it.{known}")
    if request.csv_formulas not in ("keep", "escape"):
        raise UsageError(f"--csv-formulas {request.csv_formulas}: must be keep or escape")
    return specs


def _specs(tasks: Sequence[str], registry: plugins.Registry, config: Config) -> tuple[TaskSpec, ...]:
    store = Store(config.models)
    for task in tasks:
        if task not in registry.tasks:
            broken = "".join(f"\nplugin {offer.problem}" for offer in registry.offers.plugins if offer.problem)
            raise UsageError(f'--task "{task}": no installed plugin offers it.{nearest(task, registry.tasks)}{broken}')
    chosen = list(dict.fromkeys(tasks)) or [task for task in registry.tasks if store.current(task) is not None]
    if not chosen:
        raise UsageError(f"{store.path}: no models there; say what to decide with --task (see: classifyd plugins list)")
    # As the daemon of this configuration chose, for its own number of threads: the same input gives the same answer.
    chooser = Chooser(registry, Border(), config.daemon.device, config.daemon.threads)
    known = Choices(config.daemon.state).known
    return tuple(chooser.with_recalled(spec(task, store.current(task), store, config), known) for task in chosen)
