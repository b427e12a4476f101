"""From config.toml to a Config: found, read, checked, with every fault reported at once."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from classifyd.config.access import access_faults
from classifyd.config.environment import override
from classifyd.config.folders import folder_faults
from classifyd.config.offers import CheckRecipe, format_faults, recipe_faults, task_faults
from classifyd.config.reading import Reading, admitted
from classifyd.config.receivers import receiver_faults
from classifyd.config.schema import PluginsSection
from classifyd.config.settings import Config
from classifyd.errors import ConfigError
from classifyd.offers import Admission, Offers

PLACES = (Path("config.toml"), Path("/etc/classifyd/config.toml"))
"""Where a configuration is looked for when nobody names one."""


def find(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """The configuration to use: `explicit`, else $CLASSIFYD_CONFIG, else the first of PLACES that exists."""
    named = explicit or (Path(environ["CLASSIFYD_CONFIG"]) if environ.get("CLASSIFYD_CONFIG") else None)
    if named is not None:
        return named
    for place in PLACES:
        if place.is_file():
            return place
    raise ConfigError(
        f"no configuration: neither {' nor '.join(map(str, PLACES))} exists and $CLASSIFYD_CONFIG is not set;"
        " name one with --config, or make one with: classifyd init DIR"
    )


def load(
    path: Path,
    environ: Mapping[str, str],
    offers: Offers | None = None,
    *,
    check_folders: bool = True,
    check_recipe: CheckRecipe | None = None,
) -> Config:
    """Read and check a configuration. ConfigError with every fault.

    Tasks and formats are compared with what the plugins offer only if `offers` is given; else see `check_tasks`.
    Recipes are checked only if somebody says how, for they are the tasks' affair.
    `check_folders=False` is for commands that watch no inbox: it may not be there yet.
    """
    reading = Reading(path)
    config = reading.config(_tables(path), environ)
    faults = [f"{path}: {fault}" for fault in reading.faults]
    if check_folders:
        faults += [f"{path}: {fault}" for fault in folder_faults(config.inboxes, config.daemon.state)]
        faults += [f"{path}: {fault}" for fault in access_faults(config.inboxes)]
        faults += [f"{path}: {fault}" for fault in receiver_faults(config.receivers)]
    if offers is not None:
        faults += [f"{path}: {fault}" for fault in task_faults(config, offers)]
        faults += [f"{path}: {fault}" for fault in format_faults(config, offers)]
    if check_recipe is not None:
        faults += [f"{path}: {fault}" for fault in recipe_faults(config, check_recipe)]
    if faults or reading.outside:
        raise ConfigError([*faults, *reading.outside])
    return config


def admission(path: Path, environ: Mapping[str, str]) -> Admission:
    """Which plugins a configuration admits, whatever else is wrong with it; none but our own if that cannot be told."""
    tables = _tables(path)
    override(tables, environ)
    try:
        return admitted(PluginsSection.model_validate(tables.get("plugins", {})))
    except ValidationError:
        return Admission(allow=())


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        hint = "; make one with: classifyd init DIR" if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(f"{path}: {error.strerror}{hint}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}: line {line}: not UTF-8; save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {_placed(str(error))}") from error


def _placed(message: str) -> str:
    """The parser's message with the place first: `line 3, column 7: …`."""
    place = re.search(r" \(at (line \d+, column \d+|end of document)\)$", message)
    return f"{place[1]}: {message[: place.start()]}" if place else message
