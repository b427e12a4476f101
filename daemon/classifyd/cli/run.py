"""`classifyd run`: the daemon."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

from typing import Annotated

import typer

from classifyd.cli.options import ConfigOption, load_config, reread_config


def run(
    config: ConfigOption = None,
    once: Annotated[bool, typer.Option("--once", help="Drain the inboxes, then exit: 1 if anything failed.")] = False,
) -> None:
    """Watch the inboxes and label what is dropped into them.

    Example: [bold]classifyd run --config /etc/classifyd/config.toml[/bold]
    """
    settings = load_config(config)
    from classifyd.service import serve

    raise typer.Exit(serve(settings, once=once, reread=lambda: reread_config(config)))
