"""`classifyd plugins`: what the installed packages offer."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

from typing import TYPE_CHECKING

import typer

from classifyd.cli.options import JsonOption

if TYPE_CHECKING:
    from classifyd.jobs import Offer

app = typer.Typer(no_args_is_help=True, help="What the installed packages offer.")


@app.callback()
def _group() -> None:
    """What the installed packages offer."""


@app.command("list")
def list_plugins(json: JsonOption = False) -> None:
    """List the plugins with their tasks, readers and writers, and what is wrong with those that cannot be loaded.

    Example: [bold]classifyd plugins list[/bold]
    """
    import dataclasses

    from classifyd import plugins
    from classifyd.cli.screen import complain, say_json, show, table

    offers = plugins.load().offers.plugins
    if json:
        say_json([dataclasses.asdict(offer) for offer in offers])
        return
    columns = ("plugin", "package", "version", "tasks", "readers", "writers", "hooks")
    show(table(columns, (_row(offer) for offer in offers if not offer.problem)))
    for offer in offers:
        if offer.problem:
            complain(f"{offer.name}: cannot be loaded: {offer.problem}")


def _row(offer: "Offer") -> tuple[str, ...]:
    observes = [hook for hook in offer.hooks if not hook.startswith("register_")]
    lists = (offer.tasks, offer.readers, offer.writers, observes)
    return (offer.name, offer.distribution, offer.version, *(", ".join(names) for names in lists))
