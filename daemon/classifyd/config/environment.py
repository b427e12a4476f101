"""Overrides from the environment: CLASSIFYD_SECTION__KEY=value, typed as the setting is."""

import tomllib
from collections.abc import Mapping, MutableMapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from classifyd.config.schema import SECTIONS, TaskSection, TrainSection
from classifyd.config.sentences import nearest, sentences

PREFIX = "CLASSIFYD_"


def override(tables: MutableMapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Put the environment's settings into the file's tables; what is wrong with them, a sentence each."""
    faults: list[str] = []
    for variable in sorted(environ):
        steps = variable.removeprefix(PREFIX).lower().split("__")
        if variable.startswith(PREFIX) and len(steps) > 1:
            faults += _override_one(tables, variable, steps, environ[variable])
    return faults


def _override_one(tables: MutableMapping[str, Any], variable: str, steps: list[str], text: str) -> list[str]:
    match steps:
        case ["tasks", task, "train", key]:
            return _put(_inner(_inner(_inner(tables, "tasks"), task), "train"), TrainSection, variable, key, text)
        case ["tasks", task, key]:
            return _put(_inner(_inner(tables, "tasks"), task), TaskSection, variable, key, text)
        case ["inbox", *_]:
            return [f"{variable}: inboxes are set in the file alone; unset the variable"]
        case [name, key] if name in SECTIONS and key in SECTIONS[name].model_fields:
            return _put(_inner(tables, name), SECTIONS[name], variable, key, text)
        case [name, key] if name in SECTIONS:
            return [f"{variable}: there is no such setting.{nearest(key, SECTIONS[name].model_fields)}"]
    return [f"{variable}: there is no such section.{nearest(steps[0], [*SECTIONS, 'tasks'])}"]


def _inner(tables: MutableMapping[str, Any], name: str) -> MutableMapping[str, Any]:
    inner = tables.setdefault(name, {})
    # Anything but a table is the file's fault, and said of the file.
    return inner if isinstance(inner, dict) else {}


def _put(table: MutableMapping[str, Any], model: type[BaseModel], variable: str, key: str, text: str) -> list[str]:
    try:
        table[key] = _typed(model, key, text)
    except ValidationError as error:
        return [sentence.replace(": ", f": {key}", 1) for sentence in sentences(error, f"{variable}: ", model)]
    return []


def _typed(model: type[BaseModel], key: str, text: str) -> Any:
    field = model.model_fields.get(key)
    if field is None:
        return _plain(text) if model is TrainSection else text
    if _is_list(field.annotation):
        return [name.strip() for name in text.split(",") if name.strip()]
    kind: Any = Annotated[field.annotation, field]
    return TypeAdapter(kind).validate_python(text, strict=False)


def _is_list(kind: Any) -> bool:
    """Whether a setting is a list, which the environment gives as names between commas."""
    return list in (get_origin(kind), *map(get_origin, get_args(kind)))


def _plain(text: str) -> Any:
    """A number or a truth where the text is one, as it would be in the file; else the text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
