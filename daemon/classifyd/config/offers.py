"""Whether the installed plugins offer what a configuration names; known only once they were asked."""

from collections.abc import Collection, Iterator

from classifyd.config.sentences import nearest, quoted
from classifyd.config.settings import SAME, Config
from classifyd.errors import ConfigError


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
