"""Options that several commands share, and what they stand for."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from classifyd.config import Config

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration; else $CLASSIFYD_CONFIG, ./config.toml or /etc/classifyd/config.toml.",
    ),
]


def load_config(explicit: Path | None) -> "Config":
    """The configuration, checked. ConfigError with every fault, those included that only plugins can tell.

    Plugins are loaded only to complete a list of faults: a process that gets a Config has loaded none.
    """
    from classifyd import config
    from classifyd.errors import ConfigError

    path = config.find(explicit, os.environ)
    try:
        return config.load(path, os.environ)
    except ConfigError:
        from classifyd import plugins

        config.load(path, os.environ, plugins.load().offers)
        raise
