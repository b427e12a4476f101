"""What a node must have before a worker begins there: the same classifyd and plugins, and the folders of the jobs."""

import contextlib
import hashlib
import json
import os
import secrets
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import Distribution, PackageNotFoundError, distribution, entry_points
from pathlib import Path, PurePath
from typing import Self

from classifyd import __version__
from classifyd.offers import Admission
from classifyd.plugins import GROUP

PROOF = "shared-with-nodes"
"""The file of a state folder whose text tells it from another folder of the same path."""


@dataclass(frozen=True, slots=True)
class Lack:
    """What is amiss on a node, what is to be done about it there, and the command that does it, where one does."""

    what: str
    todo: str
    command: str = ""

    def __str__(self) -> str:
        return f"{self.what}; {self.todo}"


@dataclass(frozen=True, slots=True)
class Sharing:
    """What every node must see: `folders`, and of some of them a mark, an entry that only the same folder has.

    `proof` is a file and its text, which only the same folder can have.
    """

    folders: tuple[str, ...] = ()
    marks: Mapping[str, str] = field(default_factory=dict)
    proof: tuple[str, str] | None = None

    @classmethod
    def proved(cls, state: Path, folders: tuple[Path, ...], marks: Mapping[Path, Path], *, fresh: bool = True) -> Self:
        """With a proof in the state folder: a `fresh` one, else the one that is there already. OSError if it cannot."""
        proof = state / PROOF
        if fresh or not proof.exists():
            proof.write_text(secrets.token_hex(16), encoding="ascii")
        text = proof.read_text(encoding="ascii")
        known = {str(folder): str(mark) for folder, mark in marks.items()}
        return cls(tuple(map(str, (state, *folders))), known, (str(proof), text))

    def lacks(self) -> Iterator[Lack]:
        """What is amiss where this is called."""
        for folder in self.folders:
            if not Path(folder).is_dir():
                yield Lack(f"does not see the folder {folder}", f"mount it there at the same path{_INSTEAD}")
                return
        others = {folder for folder, mark in self.marks.items() if not _seen(mark)}
        if self.proof is not None and not _proved(*self.proof):
            others.add(str(Path(self.proof[0]).parent))
        for folder in sorted(others):
            yield Lack(f"has another folder at {folder}", f"mount the same one there{_INSTEAD}")


@dataclass(frozen=True, slots=True)
class Demands:
    """`versions` are those here of classifyd, Python and every package with plugins; `sharing` what all nodes see.

    `codes` are digests of those packages' modules, where their installation left any.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, str] = field(default_factory=dict)
    sharing: Sharing = field(default_factory=Sharing)

    @classmethod
    def here(cls, admission: Admission, sharing: Sharing | None = None) -> Self:
        """What this machine has; no folder is shared unless it is told."""
        packages = _packages(admission)
        return cls(_versions(packages), _codes(packages), sharing or Sharing())

    def lacks(self, admission: Admission) -> Iterator[Lack]:
        """What is amiss where this is called."""
        packages = _packages(admission)
        found, codes = _versions(packages), _codes(packages)
        for name in sorted(self.versions.keys() | found.keys()):
            if (lack := _compared(name, self.versions.get(name), found.get(name))) is not None:
                yield lack
            elif name in self.codes and self.codes[name] != codes.get(name, self.codes[name]):
                what = f"has other code under the name of {name} {found[name]} than the daemon's machine"
                yield Lack(what, "install the same build on both", _install(name, found[name], "--force-reinstall "))
        yield from self.sharing.lacks()


_INSTEAD = ', or set files = "objects" in [workers]'


def _compared(name: str, wanted: str | None, there: str | None) -> Lack | None:
    """What is amiss with a package's version; None if nothing is."""
    if wanted == there:
        return None
    if wanted is None:
        what = f"has {name} {there}, which the daemon's machine has not"
        return Lack(what, "install the same packages on both", f"pip uninstall {name}")
    install = "" if name == "Python" else _install(name, wanted)
    if there is None:
        return Lack(f"lacks {name} {wanted}", "install it there", install)
    return Lack(f"has {name} {there}, the daemon's machine {wanted}", "install the same version on both", install)


def _install(name: str, version: str, how: str = "") -> str:
    package = "classifyd[ray]" if name == "classifyd" else name
    return f"pip install {how}{shlex.quote(f'{package}=={version}')}"


def _packages(admission: Admission) -> dict[str, Distribution]:
    """Every package with plugins, by name."""
    return {
        point.dist.name: point.dist
        for point in entry_points(group=GROUP)
        if point.dist is not None and not admission.refusal(point.name, point.dist.name)
    }


def _versions(packages: Mapping[str, Distribution]) -> dict[str, str]:
    python = ".".join(map(str, sys.version_info[:2]))
    return {"Python": python, **{name: package.version for name, package in packages.items()}, "classifyd": __version__}


def _codes(packages: Mapping[str, Distribution]) -> dict[str, str]:
    """Digests of the modules that installers wrote down; an editable package, whose modules lie elsewhere, has none."""
    found = dict(packages)
    with contextlib.suppress(PackageNotFoundError):
        found["classifyd"] = distribution("classifyd")
    listed = {
        name: sorted((str(path), path.hash.value) for path in package.files or () if path.hash and _is_module(path))
        for name, package in found.items()
    }
    return {name: hashlib.sha256(json.dumps(files).encode()).hexdigest() for name, files in listed.items() if files}


def _is_module(path: PurePath) -> bool:
    """Whether it is the same on every machine, as scripts, which name the interpreter, are not."""
    return path.suffix == ".py" and ".." not in path.parts and not path.name.startswith("__editable__")


def _seen(path: str) -> bool:
    """Whether an entry is there: by the folder's list, which network file systems ask for anew."""
    folder, name = os.path.split(path)
    try:
        return name in os.listdir(folder)  # noqa: PTH208  # names alone
    except OSError:
        return False


def _proved(path: str, text: str) -> bool:
    try:
        return Path(path).read_text(encoding="ascii") == text
    except (OSError, ValueError):
        return False
