"""The mapping that has nothing in it, as a default."""

from collections.abc import Mapping
from typing import Any


class _Empty(dict[str, Any]):
    """An empty mapping: hashable, so that dataclasses take it as a default, and it can be pickled and dumped."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # dict says None

    def __setstate__(self, _: object) -> None:
        """Nothing: without this a forged pickle could set what the class itself has."""


EMPTY: Mapping[str, Any] = _Empty()
