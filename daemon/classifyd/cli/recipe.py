"""The recipe of a training as the command line has it: its options, and what they say over the configuration."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from classifyd.config.offers import CheckRecipe

PANEL = "Recipe (or \\[tasks.TASK.train] of the configuration)"


def option(metavar: str, said: str) -> Any:
    """An option of the recipe; `said` ends with the default, after the last full stop."""
    return typer.Option(metavar=metavar, help=_help(said), rich_help_panel=PANEL)


def switch(names: str, said: str) -> Any:
    """The same for one that is on or off; `names` are its two."""
    return typer.Option(names, help=_help(said), rich_help_panel=PANEL)


def merged(
    task: str,
    configured: Mapping[str, Any],
    given: Mapping[str, Any],
    faults: "CheckRecipe",
    file: Path | None,
) -> dict[str, Any]:
    """The recipe: what was given over what is configured. ConfigError or UsageError, by whose fault it is."""
    from classifyd.errors import ConfigError, UsageError

    said = {name: value for name, value in given.items() if value is not None}
    wrong = [f"{file}: [tasks.{task}.train] {fault}" for fault in faults(task, configured)]
    if wrong:
        raise ConfigError([*wrong, *faults(task, said)])
    merged = {**configured, **said}
    found = faults(task, merged)
    if found:
        raise UsageError("\n".join(f"--{name.replace('_', '-')} {rest}" for name, _, rest in _named(found)))
    return merged


def lines(path: Path | None) -> tuple[str, ...] | None:
    """The lines of a file that hold anything; None without a file."""
    if path is None:
        return None
    from classifyd.errors import UsageError

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--examples {path}: {error}") from error
    return tuple(line for line in text.splitlines() if line.strip())


def _named(faults: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    return (fault.partition(" ") for fault in faults)


def _help(said: str) -> str:
    meaning, _, default = said.rpartition(". ")
    return f"{meaning}. [dim]default: {default}[/dim]"
