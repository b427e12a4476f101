"""`classifyd config`: check the configuration, show what is in force."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from classifyd.cli.options import ConfigOption, load_settings

if TYPE_CHECKING:
    from classifyd.config import Config, HttpConfig, Retention

app = typer.Typer(no_args_is_help=True, help="Check the configuration, show what is in force.")


@app.command()
def check(config: ConfigOption = None) -> None:
    """Report everything that is wrong with the configuration, all at once; exit 78 if anything is.

    Example: [bold]classifyd config check --config office/config.toml[/bold]
    """
    from classifyd import config as configuration
    from classifyd import plugins
    from classifyd.cli.screen import say

    path = configuration.find(config, os.environ)
    registry = plugins.load(configuration.admission(path, os.environ))
    found = configuration.load(path, os.environ, registry.offers, check_recipe=registry.recipe_faults)
    tasks = sorted({task for inbox in found.inboxes for task in inbox.tasks})
    say(f"{path}: nothing wrong; {len(found.inboxes)} inboxes, tasks {', '.join(tasks)}")


@app.command()
def show(config: ConfigOption = None) -> None:
    """Print what is in force as TOML: every setting, the defaults and the environment's included.

    Example: [bold]CLASSIFYD_DAEMON__WORKERS=2 classifyd config show[/bold]
    """
    from classifyd.cli.screen import say

    say("\n".join(_document(load_settings(config))))


def _document(config: "Config") -> Iterator[str]:
    yield f"# {config.file or 'no file: the defaults'}"
    for inbox in config.inboxes:
        yield "\n[[inbox]]"
        yield from _settings(_fields(inbox, config))
    for receiver in config.receivers:
        yield "\n[[receiver]]"
        yield from _settings({name: value for name, value in dataclasses.asdict(receiver).items() if value})
    yield "\n[daemon]"
    yield from _settings(_fields(config.daemon, config))
    yield "\n[workers]"
    yield from _settings(_fields(config.workers, config))
    if config.http is not None:
        yield "\n[http]"
        yield from _settings(_http(config.http))
    yield f"\n[models]\npath = {_value(config.models)}"
    yield "\n[plugins]"
    yield from _settings(_fields(config.plugins, config))
    for name, task in config.tasks.items():
        yield f"\n[tasks.{name}]"
        yield from _settings({"review_below": task.review_below, "drift_warning": task.drift_warning, **task.options})
        train = {"base_model": task.train.base_model, "seed": task.train.seed, **task.train.recipe}
        if any(value is not None for value in train.values()):
            yield f"\n[tasks.{name}.train]"
            yield from _settings(train)
    yield "\n[limits]"
    yield from _settings(dataclasses.asdict(config.limits))
    yield "\n[retention]"
    yield from _settings(_durations(config.retention))


def _http(http: "HttpConfig") -> dict[str, Any]:
    return {"listen": http.address, "token_file": http.token_file, "hosts": http.hosts}


def _fields(part: Any, config: "Config") -> dict[str, Any]:
    """A section's settings; an inbox's limits only where they differ from those of all."""
    values = {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
    values |= _retention(values.pop("retention", None), config)
    limits = values.pop("limits", None)
    if limits is not None:
        common = dataclasses.asdict(config.limits)
        own = {name: value for name, value in dataclasses.asdict(limits).items() if value != common[name]}
        values |= {f"limits.{name}": value for name, value in own.items()}
    access = values.pop("access", None)
    if access is not None:
        mode = "" if access.mode is None else f"{access.mode:04o}"
        who = {"output_owner": access.owner, "output_group": access.group}
        values |= {"output_mode": mode} | {name: "" if one is None else one for name, one in who.items()}
    if values.get("take") == "leave":
        del values["done"]
    return values


def _retention(kept: "Retention | None", config: "Config") -> dict[str, Any]:
    """An inbox's retention where it differs from that of all."""
    if kept is None:
        return {}
    common, own = _durations(config.retention), _durations(kept)
    return {f"retention.{name}": length for name, length in own.items() if length != common[name]}


def _durations(retention: "Retention") -> dict[str, str]:
    from classifyd.config import durations

    return {name: durations.written(length) for name, length in dataclasses.asdict(retention).items()}


def _settings(values: Mapping[str, Any]) -> Iterator[str]:
    return (f"{name} = {_value(value)}" for name, value in values.items() if value is not None)


def _value(value: Any) -> str:
    match value:
        case Mapping():
            return "{ " + ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in value.items()) + " }"
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case str() | Path():
            # JSON's strings are TOML's, but for DEL.
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
        case bool() | int() | float():
            return str(value).lower()
        case _:
            return str(value)  # dates and times
