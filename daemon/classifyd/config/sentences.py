"""Faults of a configuration in plain words: where, what, and what to do."""

import difflib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "string_type": 'text in quotes ("…")',
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": 'a list (["…", "…"])',
    "model_type": "a table",
    "dict_type": "a table ({ name = 1 })",
    "byte_size": 'a number of bytes or a size such as "20 MiB"',
    "byte_size_unit": 'a number of bytes or a size such as "20 MiB"',
}

PATTERNS = {
    "name": "must begin with a letter or digit and hold only those and . _ -, 64 at most",
    "tasks": "must hold names of tasks, written in small letters, digits and _",
    "output_mode": 'must be permission bits in octal digits, such as "0640"',
    "output_owner": "must be the name or the number of a user",
    "output_group": "must be the name or the number of a group",
    "hosts": "must hold names of hosts, without a port",
    "format": "must be the name of a format, written in small letters, digits and _",
}

EXAMPLES = {
    "listen": 'an address and a port, such as "127.0.0.1:9464" or "[::1]:9464", or "" for none',
    "address": '"auto", "HOST:6379", "ray://HOST:10001", or "" for a cluster that is started on this machine',
}
"""Settings with a check of their own."""


def quoted(value: object) -> str:
    """A value as it stands in TOML, control characters escaped, cut short if it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def nearest(name: str, known: Collection[str]) -> str:
    """` Did you mean "…"?` if something known is near, then what is known: the end of a sentence."""
    close = difflib.get_close_matches(name, sorted(known), n=1)
    hint = f" Did you mean {quoted(close[0])}?" if close else ""
    return f"{hint} Known: {', '.join(sorted(known))}." if known else f"{hint} Known: none."


def sentences(error: ValidationError, where: str, model: type[BaseModel]) -> Iterable[str]:
    """One sentence for each fault that pydantic found in a table."""
    return [f"{where}{_say(detail, model)}" for detail in error.errors(include_url=False)]


def _say(detail: ErrorDetails, model: type[BaseModel]) -> str:
    place = ".".join(step for step in detail["loc"] if isinstance(step, str))
    say = _SENTENCES.get(detail["type"])
    if say is not None:
        return say(place, detail, model)
    kind = KINDS.get(detail["type"])
    if kind is not None:
        return f"{place} must be {kind}, not {_kind(detail['input'])}"
    return f"{place}: {detail['msg']}, not {quoted(detail['input'])}"


def _unknown(place: str, detail: ErrorDetails, model: type[BaseModel]) -> str:
    return f"there is no setting {quoted(place)}.{nearest(str(detail['loc'][-1]), _fields(model, detail))}"


def _fields(model: type[BaseModel], detail: ErrorDetails) -> Collection[str]:
    for step in detail["loc"][:-1]:
        inner = model.model_fields[str(step)].annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return model.model_fields.keys()


def _missing(place: str, _: ErrorDetails, __: type[BaseModel]) -> str:
    return f"{place} is missing; add: {place} = …"


def _choice(place: str, detail: ErrorDetails, _: type[BaseModel]) -> str:
    expected = detail.get("ctx", {}).get("expected", "").replace("'", '"')
    return f"{place} must be {expected}, not {_kind(detail['input'])}"


def _pattern(place: str, detail: ErrorDetails, _: type[BaseModel]) -> str:
    rule = PATTERNS.get(place, "must be a path")
    return f"{place} {rule}, not {quoted(detail['input'])}"


def _refused(place: str, detail: ErrorDetails, _: type[BaseModel]) -> str:
    return f"{place} must be {EXAMPLES[place]}, not {quoted(detail['input'])}"


def _duration(place: str, detail: ErrorDetails, _: type[BaseModel]) -> str:
    return f'{place} must be a duration such as "30d", "12h" or "45m", or "none", not {quoted(detail["input"])}'


def _short(place: str, _: ErrorDetails, __: type[BaseModel]) -> str:
    return f"{place} is empty; fill it in" if place != "tasks" else "tasks is empty; name at least one task"


def _bound(words: str, key: str) -> Callable[[str, ErrorDetails, type[BaseModel]], str]:
    def say(place: str, detail: ErrorDetails, _: type[BaseModel]) -> str:
        return f"{place} must be {words} {detail.get('ctx', {}).get(key)}, not {quoted(detail['input'])}"

    return say


_SENTENCES: Mapping[str, Callable[[str, ErrorDetails, type[BaseModel]], str]] = MappingProxyType(
    {
        "extra_forbidden": _unknown,
        "missing": _missing,
        "literal_error": _choice,
        "string_pattern_mismatch": _pattern,
        "string_too_short": _short,
        "too_short": _short,
        "duration": _duration,
        "value_error": _refused,
        "greater_than": _bound("more than", "gt"),
        "greater_than_equal": _bound("at least", "ge"),
        "less_than_equal": _bound("at most", "le"),
    }
)


def _kind(value: Any) -> str:
    """A value with the kind of thing it is, for people."""
    match value:
        case bool():
            return quoted(value)
        case str():
            return f"the text {quoted(value)}"
        case int() | float():
            return f"the number {value}"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return quoted(str(value))
