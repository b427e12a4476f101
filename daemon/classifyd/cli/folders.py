"""What `doctor` finds of folders: those of the inboxes, whether somebody has paused them, and the daemon's own."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from classifyd.cli.finding import Finding
from classifyd.config import DELETE, InboxConfig
from classifyd.config.access import access_faults
from classifyd.config.folders import fixed_part
from classifyd.inbox.notes import pauses

NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs", "virtiofs"}
)
"""File systems on which other machines' changes send no events here."""


def folders(inbox: InboxConfig) -> Iterator[Finding]:
    """Whether an inbox's folders are there, writable, local, and on one file system."""
    about = f"inbox {inbox.name}"
    if not inbox.path.is_dir():
        yield Finding("bad", about, f"{inbox.path} is missing", f"mkdir -p {shlex.quote(str(inbox.path))}")
        return
    needed = os.R_OK | os.X_OK | (os.W_OK if inbox.take == "move" else 0)
    faults = [_permission(about, inbox.path, needed)]
    faults += [_permission(about, existing(folder), os.W_OK | os.X_OK) for folder in _written(inbox)]
    faults += [Finding("bad", about, fault, "run doctor as the daemon's user") for fault in access_faults([inbox])]
    found = [fault for fault in faults if fault]
    yield from dict.fromkeys(found)
    kind = file_system(inbox.path)
    if kind in NETWORK:
        mend = "set events = false in [daemon]; scan_seconds decides how soon files are found"
        yield Finding("worse", about, f"{inbox.path} is on {kind}, which tells of no changes by others", mend)
    yield from _one_device(about, inbox)
    if not found:
        how = "writable" if inbox.take == "move" else "readable; nothing in it is moved"
        yield Finding("good", about, f"{inbox.path} on {kind}, {how}")


def _written(inbox: InboxConfig) -> Iterator[Path]:
    yield inbox.output
    if inbox.take == "move":
        yield inbox.quarantine
        if inbox.done != DELETE:
            yield fixed_part(inbox.done)
    yield from (folder for folder in (inbox.review, inbox.corrections) if folder is not None)


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it: where the daemon would make it."""
    while not folder.exists():
        folder = folder.parent
    return folder


def _permission(about: str, folder: Path, needed: int) -> Finding | None:
    if os.access(folder, needed):
        return None
    user = os.environ.get("USER") or str(os.getuid())
    mend = f"sudo setfacl -m u:{user}:rwx {shlex.quote(str(folder))}"
    return Finding("bad", about, f"{folder} may not be {'written' if needed & os.W_OK else 'read'} by {user}", mend)


def _one_device(about: str, inbox: InboxConfig) -> Iterator[Finding]:
    """Claims are renames inside the inbox and always cheap; retiring across file systems copies each input."""
    if inbox.take == "leave":
        return
    claims = inbox.path / ".classifyd"
    if claims.exists() and claims.stat().st_dev != inbox.path.stat().st_dev:
        mend = f"umount {shlex.quote(str(claims))}"
        yield Finding("bad", about, f"{claims} is another file system, so that nothing can be claimed", mend)
    for word, folder in (
        ("done", None if inbox.done == DELETE else fixed_part(inbox.done)),
        ("quarantine", inbox.quarantine),
    ):
        if folder is not None and existing(folder).stat().st_dev != inbox.path.stat().st_dev:
            what = f"{word} {folder} is on another file system: every input is copied there"
            yield Finding("worse", about, what, f"set {word} to a folder beside {inbox.path}")


def paused(folder: Path) -> Iterator[Finding]:
    """Which inboxes somebody has paused: nothing of them is labelled."""
    try:
        notes = pauses(folder).all()
    except OSError:
        return  # of the folder itself more is said below
    for inbox, note in sorted(notes.items()):
        what = f"paused by {note.who}: nothing is taken from it"
        yield Finding("worse", f"inbox {inbox}", what, f"classifyd resume {shlex.quote(inbox)}")


def state(folder: Path) -> Iterator[Finding]:
    """Whether the ledger's folder can be written and locked."""
    fault = _permission("state", existing(folder), os.W_OK | os.X_OK)
    kind = file_system(existing(folder))
    if fault:
        yield fault
    elif kind in NETWORK:
        yield Finding("bad", "state", f"{folder} is on {kind}; SQLite needs a local disk", "set state in [daemon]")
    else:
        yield Finding("good", "state", f"{folder} on {kind}")


def file_system(folder: Path) -> str:
    """The kind of file system that a folder is on, as the kernel calls it."""
    best, kind = "", "?"
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
        _, place, found, *_ = line.split(" ")
        place = place.replace("\\040", " ")
        if folder.resolve().is_relative_to(place) and len(place) >= len(best):
            best, kind = place, found
    return kind
