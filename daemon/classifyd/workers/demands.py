"""What a node must have before a worker begins there: the same classifyd and plugins, and the folders of the jobs."""

import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Self

from classifyd import __version__
from classifyd.offers import Admission
from classifyd.plugins import GROUP

PROOF = "shared-with-nodes"
"""The file of a state folder whose text tells it from another folder of the same path."""


@dataclass(frozen=True, slots=True)
class Demands:
    """`versions` are those here of classifyd, Python and every package with plugins; `folders` must be there.

    `proof` is a file and its text, which only the same folder can have; none where nothing is shared.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    proof: tuple[str, str] | None = None

    @classmethod
    def here(cls, admission: Admission) -> Self:
        """What this machine has, no folder shared."""
        return cls(_versions(admission))

    @classmethod
    def sharing(cls, admission: Admission, state: Path, folders: tuple[Path, ...]) -> Self:
        """The same with folders that every node must see; a proof is left in the state folder. OSError if it cannot."""
        proof = state / PROOF
        text = secrets.token_hex(16)
        proof.write_text(text, encoding="ascii")
        return cls(_versions(admission), tuple(map(str, (state, *folders))), (str(proof), text))

    def faults(self, admission: Admission) -> Iterator[str]:
        """What is amiss where this is called, a sentence each."""
        found = _versions(admission)
        for name in sorted(self.versions.keys() | found.keys()):
            wanted, there = self.versions.get(name), found.get(name)
            if wanted is None:
                yield f"has {name} {there}, which the daemon's machine has not; install the same packages on both"
            elif there is None:
                yield f"lacks {name} {wanted}; install it there"
            elif wanted != there:
                yield f"has {name} {there}, the daemon's machine {wanted}; install the same version on both"
        for folder in self.folders:
            if not Path(folder).is_dir():
                yield f"does not see the folder {folder}; mount it there at the same path{_INSTEAD}"
                return
        if self.proof is not None and not _proved(*self.proof):
            yield f"has another folder at {Path(self.proof[0]).parent}; mount the same one there{_INSTEAD}"


_INSTEAD = ', or set files = "objects" in [workers]'


def _versions(admission: Admission) -> dict[str, str]:
    python = ".".join(map(str, sys.version_info[:2]))
    packages = {
        point.dist.name: point.dist.version
        for point in entry_points(group=GROUP)
        if point.dist is not None and not admission.refusal(point.name, point.dist.name)
    }
    return {"Python": python, **packages, "classifyd": __version__}


def _proved(path: str, text: str) -> bool:
    try:
        return Path(path).read_text(encoding="ascii") == text
    except (OSError, ValueError):
        return False
