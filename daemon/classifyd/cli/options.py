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
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def load_config(explicit: Path | None) -> "Config":
    """The configuration, checked. ConfigError with every fault, those included that only plugins can tell.

    Plugins are loaded only to complete a list of faults: a process that gets a Config has loaded none.
    """
    from classifyd import config
    from classifyd.errors import ConfigError

    path = config.find(explicit, os.environ)
    try:
        return with_shipped_models(config.load(path, os.environ))
    except ConfigError:
        from classifyd import plugins

        config.load(path, os.environ, plugins.load(config.admission(path, os.environ)).offers)
        raise


def reread_config(explicit: Path | None) -> "Config":
    """The configuration as it is now, for a running daemon: no plugin is loaded, whatever its faults."""
    from classifyd import config

    return with_shipped_models(config.load(config.find(explicit, os.environ), os.environ))


def load_settings(explicit: Path | None) -> "Config":
    """The configuration for a command that watches no inbox: they may be missing, and so may the file."""
    from classifyd import config
    from classifyd.errors import ConfigError

    try:
        path = config.find(explicit, os.environ)
    except ConfigError:
        here = Path.cwd()
        daemon = config.DaemonConfig(here / "state", workers=config.cores())
        return config.Config(None, here / "models", daemon, ())
    return config.load(path, os.environ, check_folders=False)


def with_shipped_models(found: "Config") -> "Config":
    """The same, with the shipped models, to be read only, where the file names none and none lie beside it."""
    from dataclasses import replace

    from classifyd import bundles

    beside = (found.file or Path("config.toml")).absolute().parent / "models"
    shipped = bundles.shipped()
    if shipped is None or found.models != beside or beside.exists():
        return found
    return replace(found, models=shipped)


def whoami() -> str:
    """Who gives the command, as it is written down; who became somebody else by sudo, under the name from before."""
    import getpass

    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in containers
        return f"user {os.getuid()}"
