"""Tables of a configuration held against their models: what is wrong with one is left out of it, and noted."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from classifyd.config.sentences import quoted, sentences

_M = TypeVar("_M", bound=BaseModel)


class Tables:
    """The tables of one file. `faults` are sentences that say what is wrong in it."""

    def __init__(self, path: Path) -> None:
        self.faults: list[str] = []
        self._base = Path(os.path.abspath(path)).parent  # noqa: PTH100  # a linked config stays where its link lies

    def table(self, raw: object, where: str, model: type[_M]) -> _M | None:
        """A raw table as a section, without the settings that are at fault; None if what is needed is among them."""
        if not isinstance(raw, dict):
            self.faults.append(f"{where} must be a table, not {quoted(raw)}")
            return _validated(model, {})
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            # [daemon] workers …, but inbox "mail": path …
            self.faults += sentences(error, f"{where} " if where.startswith("[") else f"{where}: ", model)
            wrong = {detail["loc"][0] for detail in error.errors()}
        return _validated(model, {key: value for key, value in raw.items() if key not in wrong})

    def named(self, tables: list[object], what: str, model: type[_M]) -> Iterator[tuple[str, _M]]:
        """The tables of a kind of which there are several, each with the words that it is called by in a fault."""
        names: set[str] = set()
        for number, table in enumerate(tables, 1):
            name = table.get("name") if isinstance(table, dict) else None
            where = f"{what} {quoted(name)}" if isinstance(name, str) and name else f"{what} {number}"
            section = self.table(table, where, model)
            if isinstance(name, str) and name in names:
                self.faults.append(f"{where}: an earlier {what} has the same name; rename one")
            names.add(str(name))
            if section is not None:
                yield where, section

    def absolute(self, text: str) -> Path:
        """A path as the file has it: from the folder that the file is in, `~` being somebody's home."""
        try:
            path = Path(text).expanduser()
        except RuntimeError:  # pathlib knows no narrower one
            self.faults.append(
                f"{quoted(text)} begins with the name of a user who is not known here; write the path out"
            )
            path = Path(text)
        return Path(os.path.normpath(self._base / path))


def _validated(model: type[_M], raw: Mapping[str, Any]) -> _M | None:
    try:
        return model.model_validate(raw)
    except ValidationError:
        return None
