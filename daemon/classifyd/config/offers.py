"""Whether the installed plugins offer what a configuration names; known only once they were asked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from classifyd.config.sentences import nearest, quoted
from classifyd.config.settings import SAME, Config
from classifyd.errors import ConfigError
from classifyd.offers import Offer, Offers

CheckRecipe = Callable[[str, Mapping[str, Any]], Sequence[str]]
"""What is wrong with the training options of a task; nothing for a task that does not say."""


def check_tasks(config: Config, offers: Offers) -> None:
    """ConfigError with a sentence for every task that the configuration names and nobody offers."""
    _raise_any(config, task_faults(config, offers))


def check_formats(config: Config, offers: Offers) -> None:
    """ConfigError with a sentence for every inbox whose format no writer offers."""
    _raise_any(config, format_faults(config, offers))


def task_faults(config: Config, offers: Offers) -> Iterator[str]:
    """What `check_tasks` would list, without the file's name."""
    for inbox in config.inboxes:
        for task in inbox.tasks:
            if task not in offers.tasks:
                yield f"inbox {quoted(inbox.name)}: tasks names {quoted(task)}{_unoffered(task, offers)}"
    for task in config.tasks:
        if task not in offers.tasks and not _kept_out(task, offers):
            hint = nearest(task, offers.tasks)
            yield f"[tasks.{task}] is for a task that no installed plugin offers.{hint}{_unknown(offers)}"


def recipe_faults(config: Config, check: CheckRecipe) -> Iterator[str]:
    """What is wrong with the tables [tasks.NAME.train]."""
    for name, task in config.tasks.items():
        if task.train.recipe:
            yield from (f"[tasks.{name}.train] {fault}" for fault in check(name, task.train.recipe))


def format_faults(config: Config, offers: Offers) -> Iterator[str]:
    """What `check_formats` would list, without the file's name."""
    for inbox in config.inboxes:
        if inbox.format != SAME and inbox.format not in offers.writers:
            yield (
                f"inbox {quoted(inbox.name)}: format is {quoted(inbox.format)}; no installed plugin writes it."
                f"{nearest(inbox.format, {*offers.writers, SAME})}{_unknown(offers)}"
            )


def _unoffered(task: str, offers: Offers) -> str:
    """Why a task is not to be had: its plugin is kept out (it goes by the plugin's name), or there is none."""
    keeper = _kept_out(task, offers)
    if keeper is not None:
        return f"; its plugin, {keeper.label}, is kept out: {keeper.kept_out}. Change that, or take the task out"
    return f"; no installed plugin offers it.{nearest(task, offers.tasks)}{_unknown(offers)}"


def _kept_out(task: str, offers: Offers) -> Offer | None:
    """The plugin that is called like the task, if the configuration keeps it out."""
    return next((plugin for plugin in offers.kept_out if plugin.name == task), None)


def _unknown(offers: Offers) -> str:
    """A sentence on the plugins that were not asked what they offer."""
    names = ", ".join(plugin.label for plugin in offers.kept_out)
    return f" Not asked, because [plugins] keeps them out: {names}." if names else ""


def _raise_any(config: Config, faults: Iterator[str]) -> None:
    found = [f"{config.file}: {fault}" if config.file else fault for fault in faults]
    if found:
        raise ConfigError(found)
