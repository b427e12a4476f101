"""A package to begin a plugin with: whole, typed and tested, from the templates that lie beside this module."""

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from string import Template
from typing import Literal

from classifyd.errors import UsageError
from classifyd.plugins import GROUP, TASK_NAME

Kind = Literal["rule", "kit"]
"""What the task of a new plugin goes by: a rule of its own, or a model that the BERT kit trains."""

TEMPLATES = Path(__file__).with_name("templates")
SUFFIX = ".template"
LONGEST = 32
"""A name's letters, so that no line of what is written becomes too long."""


@dataclass(frozen=True, slots=True)
class Names:
    """What things are called in a new package, by the task's name."""

    name: str

    @property
    def package(self) -> str:
        """What is imported."""
        return f"classifyd_{self.name}"

    @property
    def distribution(self) -> str:
        """What is installed."""
        return self.package.replace("_", "-")

    @property
    def words(self) -> dict[str, str]:
        """What stands for what in a template."""
        class_name = "".join(word.capitalize() for word in self.name.split("_"))
        return {
            "name": self.name,
            "package": self.package,
            "distribution": self.distribution,
            "class_name": class_name,
        }


def create(name: str, folder: Path | None, kind: Kind) -> tuple[Path, ...]:
    """Write the package for a task of that name into a new folder (else ./classifyd-NAME); its files.

    UsageError, and nothing is written, if the name will not do or the folder holds something already.
    """
    names = Names(_checked(name))
    target = folder or Path(names.distribution)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target}: there is something already, and nothing was changed; name another with --folder")
    return tuple(_write(target, names, kind))


def _checked(name: str) -> str:
    if not TASK_NAME.fullmatch(name):
        better = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_0123456789")
        hint = f"; {better} would do" if TASK_NAME.fullmatch(better) else ""
        raise UsageError(f"{name}: the name of a task has small letters, digits and _, a letter first{hint}")
    if len(name) > LONGEST:
        raise UsageError(f"{name}: that is longer than {LONGEST} letters; choose a shorter name")
    if keyword.iskeyword(name):
        raise UsageError(f"{name}: Python keeps that word for itself; choose another name")
    for point in entry_points(group=GROUP):
        if point.name == name:
            owner = point.dist.name if point.dist else "?"
            raise UsageError(f"{name}: a plugin of that name is installed already ({owner}); choose another name")
    return name


def _write(target: Path, names: Names, kind: Kind) -> Iterator[Path]:
    root = TEMPLATES / kind
    for source in sorted(root.rglob(f"*{SUFFIX}")):
        below = source.relative_to(root).with_suffix("")
        path = target / str(below).replace("package", names.package).replace("NAME", names.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(source.read_text(encoding="utf-8")).substitute(names.words), encoding="utf-8")
        yield path
