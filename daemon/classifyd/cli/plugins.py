"""`classifyd plugins`: what the installed packages offer; for authors, a package to begin with and a test of it."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classifyd.cli.options import ConfigOption, JsonOption, load_settings

if TYPE_CHECKING:
    from classifyd.jobs import Offer

app = typer.Typer(no_args_is_help=True, help="What the installed packages offer; begin and test one of your own.")


@app.callback()
def _group() -> None:
    """What the installed packages offer; begin and test one of your own."""


@app.command("list")
def list_plugins(json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the plugins with their packages, hooks, tasks, readers and writers; which failed to load, and why.

    Example: [bold]classifyd plugins list[/bold]
    """
    import dataclasses

    from classifyd import plugins
    from classifyd.cli.screen import complain, say_json, show, table
    from classifyd.trace import Trace

    offers = plugins.load(load_settings(config).plugins, trace=Trace.shown(os.environ)).offers
    if json:
        say_json([dataclasses.asdict(offer) for offer in offers.plugins])
        return
    columns = ("plugin", "package", "version", "tasks", "readers", "writers", "hooks")
    show(table(columns, (_row(offer) for offer in offers.plugins if not offer.problem and not offer.kept_out)))
    for offer in offers.kept_out:
        complain(f"{offer.name}: kept out, and not imported: {offer.kept_out} ({offer.distribution} {offer.version})")
    for offer in offers.plugins:
        if offer.problem:
            complain(f"{offer.name}: cannot be loaded: {offer.problem}")


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The task's name.", show_default=False)],
    bert: Annotated[bool, typer.Option("--bert", help="With a model that the BERT kit trains.")] = False,
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to; else ./classifyd-NAME.", show_default=False)
    ] = None,
) -> None:
    """Write the package of a plugin with one task: its code, a test, what builds it, and what to do next.

    Example: [bold]classifyd plugins new urgency[/bold]

    With a model: [bold]classifyd plugins new sentiment --bert[/bold]
    """
    from classifyd import scaffold
    from classifyd.cli.screen import complain, say
    from classifyd.errors import ClassifydError

    try:
        files = scaffold.create(name, folder, "kit" if bert else "rule")
    except OSError as error:
        raise ClassifydError(f"{error.filename}: {error.strerror}; nothing more was written") from error
    for file in files:
        say(str(file))
    complain(f"Now read {next(file for file in files if file.name == 'README.md')}")


def _row(offer: "Offer") -> tuple[str, ...]:
    lists = (offer.tasks, offer.readers, offer.writers, offer.hooks)
    return (offer.name, offer.distribution, offer.version, *(", ".join(names) for names in lists))
