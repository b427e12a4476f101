"""The only loader of plugins: the entry points of group `classifyd`, one by one: a broken one sinks no other."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import pluggy

from classifyd import hookspecs
from classifyd.api import ChecksRecipe, PluginError, Reader, Task, Writer
from classifyd.offers import OWN, Admission, Offer, Offers
from classifyd.trace import SILENT, Trace

GROUP = "classifyd"
EVERYONE = Admission()
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


def load(
    admission: Admission = EVERYONE, points: Iterable[EntryPoint] | None = None, trace: Trace = SILENT
) -> Registry:
    """Load every entry point of the group that is admitted; what fails is the problem of its offer, not raised."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    found = entry_points(group=GROUP) if points is None else points
    loading = _Loading(manager, admission, trace)
    for point in sorted(found, key=_own_first):
        loading.add(point)
    own, others = loading.readers
    return Registry(loading.tasks, (*others, *own), loading.writers, Offers(tuple(loading.offers)), manager.hook)


def _own_first(point: EntryPoint) -> tuple[bool, str]:
    return (point.dist is None or point.dist.name != OWN, point.name)


class _Loading:
    """What has been gathered so far while entry points are loaded."""

    def __init__(self, manager: pluggy.PluginManager, admission: Admission, trace: Trace) -> None:
        self.manager = manager
        self.admission = admission
        self.trace = trace
        self.tasks: dict[str, Task] = {}
        self.writers: dict[str, Writer] = {}
        self.readers: tuple[list[Reader], list[Reader]] = ([], [])
        self.offers: list[Offer] = []

    def add(self, point: EntryPoint) -> None:
        distribution = point.dist.name if point.dist else "?"
        offer = Offer(point.name, distribution, point.dist.version if point.dist else "?")
        kept_out = self.admission.refusal(point.name, distribution)
        if kept_out:
            self.offers.append(replace(offer, kept_out=kept_out))
            return
        try:
            self.offers.append(self._load(point, offer))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin is foreign code: what it raises is its own
            problem = f"{distribution}: entry point {point.name} = {point.value}: {type(error).__name__}: {error}"
            self.offers.append(replace(offer, problem=problem))

    def _load(self, point: EntryPoint, offer: Offer) -> Offer:
        with self.trace.call(f"{point.name}: import"):
            plugin = point.load()
        self.manager.register(plugin, name=point.name)
        try:
            self.manager.check_pending()
            tasks = self._ask(plugin, point.name, "register_tasks", Task, self._check_task)
            readers = self._ask(plugin, point.name, "register_readers", Reader, lambda _: None)
            writers = self._ask(plugin, point.name, "register_writers", Writer, self._check_writer)
        except (Exception, SystemExit):
            self.manager.unregister(plugin)
            raise
        self.tasks.update({task.name: task for task in tasks})
        self.writers.update({writer.format: writer for writer in writers})
        self.readers[offer.distribution != OWN].extend(readers)
        return replace(
            offer,
            tasks=tuple(task.name for task in tasks),
            readers=tuple(reader.name for reader in readers),
            writers=tuple(writer.format for writer in writers),
            hooks=tuple(caller.name for caller in self.manager.get_hookcallers(plugin) or ()),
        )

    def _ask(
        self, plugin: object, name: str, hook: str, kind: type[Any], check: Callable[[Any], None]
    ) -> Sequence[Any]:
        """What one plugin answers to a registering hook, each item checked against its protocol."""
        implementation = getattr(plugin, hook, None)
        if implementation is None:
            return ()
        with self.trace.call(f"{name}: {hook}"):
            items = list(implementation())
        for item in items:
            if not isinstance(item, kind):
                raise PluginError(f"{hook} offers {item!r}, which is no {kind.__name__}: {_lacking(item, kind)}")
            check(item)
        return items

    def _check_task(self, task: Task) -> None:
        if not TASK_NAME.fullmatch(task.name):
            raise PluginError(f"task name {task.name!r} does not match [a-z][a-z0-9_]*; rename it")
        if task.name in self.tasks:
            raise PluginError(f"task {task.name!r} is offered by another plugin already; rename or uninstall one")

    def _check_writer(self, writer: Writer) -> None:
        if writer.format in self.writers:
            raise PluginError(f"format {writer.format!r} is offered by another plugin already; rename or uninstall one")


def _lacking(item: object, kind: type[Any]) -> str:
    """What an item has not that its protocol asks for."""
    wanted = [name for name in vars(kind) if not name.startswith("_")]
    missing = [name for name in wanted if not hasattr(item, name)]
    return f"it has no {', '.join(missing)}; see classifyd.api.{kind.__name__}"


def _named(items: Mapping[str, _T], name: str, noun: str, offers: Offers) -> _T:
    if name in items:
        return items[name]
    problems = "; ".join(offer.problem for offer in offers.plugins if offer.problem)
    broken = f" These plugins could not be loaded: {problems}." if problems else ""
    kept_out = ", ".join(offer.label for offer in offers.kept_out)
    unasked = f" Not asked, because [plugins] keeps them out: {kept_out}." if kept_out else ""
    known = ", ".join(sorted(items))
    raise PluginError(f"{noun} {name!r}: no installed plugin offers it. Known: {known}.{broken}{unasked}")
