"""The mark on a claim that may be published: from then on only its own daemon's ledger knows whether it was."""

import contextlib
import os
from pathlib import Path

from classifyd import beneath
from classifyd.jobs import Claim

MARK = ".intent"
"""An empty file beside a marked input. No input is called so, and unlike a folder it takes no space on a full disk."""


def home(claim: Claim) -> Path:
    """The claim's own folder."""
    return Path(claim.path.removesuffix(claim.name))


def mark(claim: Claim) -> None:
    """Mark a claim. The mark is on the disk once its folder is."""
    place = home(claim)
    root = place.parents[2]
    with beneath.folder(root, str(place.relative_to(root))) as folder:
        os.close(os.open(MARK, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder))


def marked(place: Path) -> bool:
    """Whether the claim of a folder is marked."""
    return os.path.lexists(place / MARK)


def unmark(place: Path) -> None:
    """Remove the mark of a claim's folder, if it has one."""
    with contextlib.suppress(OSError):
        (place / MARK).unlink()
