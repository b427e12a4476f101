"""What a model's manifest says, as lines for people."""

from collections.abc import Iterator
from typing import Any


def figures(metrics: dict[str, Any]) -> str:
    """The figures of the whole on one line, without those by label, source or promise."""
    return _plain({name: value for name, value in metrics.items() if not isinstance(value, dict | list)})


def outline(name: str, value: Any) -> Iterator[str]:
    """A value of a manifest under its name, unless it is empty; figures of figures stand on lines below it."""
    if value is None or value in ({}, [], ""):
        return
    if isinstance(value, dict) and any(isinstance(inner, dict) for inner in value.values()):
        flat = {key: inner for key, inner in value.items() if not isinstance(inner, dict)}
        yield f"{name}: {_plain(flat)}" if flat else f"{name}:"
        for key, inner in value.items():
            if isinstance(inner, dict):
                yield from (f"  {line}" for line in outline(str(key), inner))
    else:
        yield f"{name}: {_plain(value)}"


def _plain(value: Any) -> str:
    """A value of a manifest on one line, for people."""
    match value:
        case dict():
            return ", ".join(f"{name} {_plain(inner)}" for name, inner in value.items())
        case list():
            return ", ".join(map(_plain, value))
        case float():
            return f"{value:.4g}"
        case _:
            return str(value)
