"""The only loader of plugins: the entry points of group `classifyd`, one by one: a broken one sinks no other."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import pluggy

from classifyd import hookspecs
from classifyd.api import ChecksRecipe, PluginError, Reader, Task, Writer
from classifyd.jobs import Offer, Offers

GROUP = "classifyd"
_T = TypeVar("_T")
TASK_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything that the installed plugins offer, loaded. Readers of third parties come before our own."""

    tasks: Mapping[str, Task]
    readers: tuple[Reader, ...]
    writers: Mapping[str, Writer]
    offers: Offers
    hook: Any

    def task(self, name: str) -> Task:
        """The task of that name. PluginError says which plugin failed, if one did that may have offered it."""
        return _named(self.tasks, name, "task", self.offers)

    def writer(self, format: str) -> Writer:  # noqa: A002  # the word of the configuration
        """The writer of that format. PluginError names the known ones."""
        return _named(self.writers, format, "format", self.offers)

    def recipe_faults(self, name: str, options: Mapping[str, Any]) -> Sequence[str]:
        """What is wrong with training options of a task; empty for one that is not there or does not say."""
        task = self.tasks.get(name)
        return task.recipe_faults(options) if isinstance(task, ChecksRecipe) else ()


def load(points: Iterable[EntryPoint] | None = None) -> Registry:
    """Load every entry point of the group; what fails is kept as the problem of its offer, not raised."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    found = entry_points(group=GROUP) if points is None else points
    loading = _Loading(manager)
    for point in sorted(found, key=_own_first):
        loading.add(point)
    own, others = loading.readers
    return Registry(loading.tasks, (*others, *own), loading.writers, Offers(tuple(loading.offers)), manager.hook)


def _own_first(point: EntryPoint) -> tuple[bool, str]:
    return (point.dist is None or point.dist.name != "classifyd", point.name)


class _Loading:
    """What has been gathered so far while entry points are loaded."""

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self.manager = manager
        self.tasks: dict[str, Task] = {}
        self.writers: dict[str, Writer] = {}
        self.readers: tuple[list[Reader], list[Reader]] = ([], [])
        self.offers: list[Offer] = []

    def add(self, point: EntryPoint) -> None:
        distribution = point.dist.name if point.dist else "?"
        offer = Offer(point.name, distribution, point.dist.version if point.dist else "?")
        try:
            self.offers.append(self._load(point, offer))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin is foreign code: what it raises is its own
            problem = f"{distribution}: entry point {point.name} = {point.value}: {type(error).__name__}: {error}"
            self.offers.append(replace(offer, problem=problem))

    def _load(self, point: EntryPoint, offer: Offer) -> Offer:
        plugin = point.load()
        self.manager.register(plugin, name=point.name)
        try:
            self.manager.check_pending()
            tasks = _call(plugin, "register_tasks", Task, self._check_task)
            readers = _call(plugin, "register_readers", Reader, lambda _: None)
            writers = _call(plugin, "register_writers", Writer, self._check_writer)
        except (Exception, SystemExit):
            self.manager.unregister(plugin)
            raise
        self.tasks.update({task.name: task for task in tasks})
        self.writers.update({writer.format: writer for writer in writers})
        self.readers[offer.distribution != "classifyd"].extend(readers)
        return replace(
            offer,
            tasks=tuple(task.name for task in tasks),
            readers=tuple(reader.name for reader in readers),
            writers=tuple(writer.format for writer in writers),
            hooks=tuple(caller.name for caller in self.manager.get_hookcallers(plugin) or ()),
        )

    def _check_task(self, task: Task) -> None:
        if not TASK_NAME.fullmatch(task.name):
            raise PluginError(f"task name {task.name!r} does not match [a-z][a-z0-9_]*; rename it")
        if task.name in self.tasks:
            raise PluginError(f"task {task.name!r} is offered by another plugin already; rename or uninstall one")

    def _check_writer(self, writer: Writer) -> None:
        if writer.format in self.writers:
            raise PluginError(f"format {writer.format!r} is offered by another plugin already; rename or uninstall one")


def _call(plugin: object, hook: str, kind: type[Any], check: Callable[[Any], None]) -> Sequence[Any]:
    """What one plugin answers to a registering hook, each item checked against its protocol."""
    implementation = getattr(plugin, hook, None)
    if implementation is None:
        return ()
    items = list(implementation())
    for item in items:
        if not isinstance(item, kind):
            raise PluginError(f"{hook} offers {item!r}, which is no {kind.__name__}; see classifyd.api.{kind.__name__}")
        check(item)
    return items


def _named(items: Mapping[str, _T], name: str, noun: str, offers: Offers) -> _T:
    if name in items:
        return items[name]
    problems = "; ".join(offer.problem for offer in offers.plugins if offer.problem)
    broken = f" These plugins could not be loaded: {problems}." if problems else ""
    raise PluginError(f"{noun} {name!r}: no installed plugin offers it. Known: {', '.join(sorted(items))}.{broken}")
