"""Whether the installed plugins offer what a configuration names; known only once they were asked."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from classifyd.config.sentences import nearest, quoted
from classifyd.config.settings import SAME, Config
from classifyd.errors import ConfigError

CheckRecipe = Callable[[str, Mapping[str, Any]], Sequence[str]]
"""What is wrong with the training options of a task; nothing for a task that does not say."""


def check_tasks(config: Config, offered: Collection[str]) -> None:
    """ConfigError with a sentence for every task that the configuration names and nobody offers."""
    _raise_any(config, task_faults(config, offered))


def check_formats(config: Config, offered: Collection[str]) -> None:
    """ConfigError with a sentence for every inbox whose format no writer offers."""
    _raise_any(config, format_faults(config, offered))


def task_faults(config: Config, offered: Collection[str]) -> Iterator[str]:
    """What `check_tasks` would list, without the file's name."""
    for inbox in config.inboxes:
        for task in inbox.tasks:
            if task not in offered:
                yield (
                    f"inbox {quoted(inbox.name)}: tasks names {quoted(task)}; no installed plugin offers it."
                    f"{nearest(task, offered)}"
                )
    for task in config.tasks:
        if task not in offered:
            yield f"[tasks.{task}] is for a task that no installed plugin offers.{nearest(task, offered)}"


def recipe_faults(config: Config, check: CheckRecipe) -> Iterator[str]:
    """What is wrong with the tables [tasks.NAME.train]."""
    for name, task in config.tasks.items():
        if task.train.recipe:
            yield from (f"[tasks.{name}.train] {fault}" for fault in check(name, task.train.recipe))


def format_faults(config: Config, offered: Collection[str]) -> Iterator[str]:
    """What `check_formats` would list, without the file's name."""
    for inbox in config.inboxes:
        if inbox.format != SAME and inbox.format not in offered:
            yield (
                f"inbox {quoted(inbox.name)}: format is {quoted(inbox.format)}; no installed plugin writes it."
                f"{nearest(inbox.format, {*offered, SAME})}"
            )


def _raise_any(config: Config, faults: Iterator[str]) -> None:
    found = [f"{config.file}: {fault}" if config.file else fault for fault in faults]
    if found:
        raise ConfigError(found)
