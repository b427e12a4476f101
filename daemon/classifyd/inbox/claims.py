"""Claims: an input is held by its rename into `<inbox>/.classifyd/<daemon id>/<claim id>/<its path below the inbox>`.

The path itself says which inbox it came from, who holds it and what it was called: a claim can be recovered without
the ledger, and `ls` shows it. Not so once the ledger may have an intent for it: from then on only that knows whether it
was published, so the claim is marked, and another daemon lets it lie.
"""

import contextlib
import errno
import os
import secrets
import stat
import time
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from filelock import Timeout

from classifyd import beneath
from classifyd.beneath import Entry
from classifyd.disk import fsync_entries, side_by_side
from classifyd.errors import DiskFault
from classifyd.inbox import lock
from classifyd.inbox.marks import MARK, home, mark, marked, unmark
from classifyd.inbox.moves import free_names, rename_entry
from classifyd.inbox.scan import Found, look
from classifyd.jobs import Claim

FOLDER = ".classifyd"
MODE = 0o755
"""Everybody may see what is held, and nobody else may put anything there."""


class ClaimFolder:
    """One daemon's claims in one inbox. `hold` is called once before anything else."""

    def __init__(self, inbox: str, root: Path, daemon: str) -> None:
        self.inbox = inbox
        self.root = root
        self.folder = root / FOLDER / daemon
        self._lock = lock.FolderLock(self.folder)
        self._unsure: list[Path] = []

    def hold(self) -> None:
        """Make the folder and lock it for as long as this process lives. Timeout if another process holds it.

        DiskFault if it cannot be made, or is not this user's own: whoever made it could swap what is held there.
        """
        with self._made(""):
            self._lock.acquire()

    @property
    def is_held(self) -> bool:
        """Whether this process has it."""
        return self._lock.is_held

    def release(self) -> None:
        """Give the lock back; the claim folder goes if nothing is claimed."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()
        self._lock.release()

    def claim(self, found: Found) -> Claim | None:
        """Rename the file into the claim folder; None if another process won or it is gone.

        No link is followed on the way, and a folder that was put in the file's place meanwhile is put back.
        """
        above = os.path.dirname(found.name)  # noqa: PTH120  # names may not be UTF-8
        identity = secrets.token_hex(8)
        with contextlib.ExitStack() as stack:
            try:
                source = stack.enter_context(beneath.folder(self.root, above))
            except (FileNotFoundError, NotADirectoryError):
                return None
            # Only what is empty goes: after a failure, or where there was nothing to take.
            leftover = stack.enter_context(contextlib.ExitStack())
            leftover.callback(remove_empty, self.folder / identity / above, self.folder)
            target = stack.enter_context(self._made(f"{identity}/{above}"))
            if not _take(os.path.basename(found.name), source, target):  # noqa: PTH119  # likewise
                return None
            leftover.pop_all()
        claim = self._claim(identity, found.name)
        return replace(claim, dropped_at=found.dropped_at) if claim else None

    def found(self, known: Container[str] = ()) -> Iterator[Claim]:
        """Every claim that lies in the folder but those that are known; empty leftovers are removed.

        DiskFault or OSError if that cannot be said.
        """
        with self._made("") as folder, os.scandir(folder) as entries:
            identities = sorted(entry.name for entry in entries)
        for identity in identities:
            if identity in known or self.folder / identity in self._unsure:
                continue
            names = list(_files(self.folder / identity))
            for name in names:
                claim = self._claim(identity, name)
                if claim is not None:
                    yield claim
            if not names:
                _remove_tree(self.folder / identity)

    def adopt(self, knows: Callable[[str], bool]) -> int:
        """Take over the claims of daemons that are gone (their lock is free); how many.

        Those that are marked lie on for their own daemon, unless this one's ledger `knows` them: it was put back into a
        new state folder.
        """
        adopted = 0
        for other in sorted(self.folder.parent.iterdir()):
            if other == self.folder or not other.is_dir():
                continue
            with contextlib.suppress(Timeout), lock.held(other):
                for held in sorted(other.iterdir()):
                    if marked(held) and not knows(held.name):
                        self._unsure.append(held)
                        continue
                    held.rename(self.folder / held.name)
                    adopted += 1
                with contextlib.suppress(OSError):
                    other.rmdir()
        return adopted

    @property
    def unsure(self) -> list[Path]:
        """The folders of claims that were let lie, and lie there still: for all that is known here, published."""
        return [held for held in self._unsure if any(_files(held))]

    def leave_if_marked(self, claim: Claim) -> bool:
        """Let a claim lie that no ledger knows, if it is marked; whether it is."""
        if not marked(home(claim)):
            return False
        self._unsure.append(home(claim))
        return True

    def mark(self, claims: Iterable[Claim]) -> None:
        """Mark claims as ones that may be published from now on. The marks are on the disk once `made_for` is."""
        for claim in claims:
            mark(claim)

    def made_for(self, claim: Claim) -> list[Path]:
        """The folders that lead to a claim. To be on the disk, outer ones first, and all before `fsync_left`.

        Were the rename safe before the folder that it led into, a power cut could leave the input nowhere.
        """
        inner = Path(claim.path).parent
        return [*(folder for folder in inner.parents if folder.is_relative_to(self.folder)), inner]

    def fsync_left(self, claims: Iterable[Claim]) -> None:
        """Have the folders that inputs came from on the disk, each once, without following a link on the way.

        Their senders may have removed them since, put something else in their place, or closed them.
        """
        side_by_side(self._fsync_left, {os.path.dirname(claim.name) for claim in claims})  # noqa: PTH120  # likewise

    def forget(self, claim: Claim) -> None:
        """Remove the claim's folders once its file has moved on."""
        unmark(home(claim))
        remove_empty(Path(claim.path).parent, self.folder)

    def _fsync_left(self, below: str) -> None:
        try:
            with beneath.folder(self.root, below) as folder:
                fsync_entries(folder, str(self.root / below))
        except (FileNotFoundError, NotADirectoryError):
            return
        except PermissionError:
            os.sync()  # it may not be opened by itself

    @contextlib.contextmanager
    def _ours(self) -> Iterator[int]:
        """The folder of all daemons' claims, made if it is missing. PermissionError if it is another user's."""
        place = self.folder.parent
        with beneath.made_folder(self.root, place.name, MODE, durable=False) as descriptor:
            status = os.fstat(descriptor)
            if status.st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, f"belongs to user {status.st_uid}, who is not this one", str(place))
            if status.st_mode & 0o022:
                os.fchmod(descriptor, status.st_mode & 0o755)
            yield descriptor

    @contextlib.contextmanager
    def _made(self, below: str) -> Iterator[int]:
        """A folder of this daemon's own, made if it is missing; publishing puts it on the disk. DiskFault otherwise."""
        place = f"{self.folder.name}/{below}"
        with contextlib.ExitStack() as stack:
            try:
                ours = stack.enter_context(self._ours())
                descriptor = stack.enter_context(beneath.made_folder(ours, place, MODE, durable=False))
            except OSError as error:
                what = f"{self.folder}: {error.strerror}; claims go there: it must be a folder of this user's own"
                raise DiskFault(f"{what}, and writable") from error
            self._lock.keep(ours)
            yield descriptor

    def _claim(self, identity: str, name: str) -> Claim | None:
        path = str(self.folder / identity / name)
        held = look(path, name)
        if held is None:
            return None
        return Claim(identity, self.inbox, name, path, held.size, held.mtime_ns, time.time())


def in_place(inbox: str, root: Path, found: Found) -> Claim:
    """A claim on a file that stays where it is: the ledger alone remembers it."""
    path, now = str(root / found.name), time.time()
    identity = secrets.token_hex(8)
    return Claim(identity, inbox, found.name, path, found.size, found.mtime_ns, now, found.dropped_at)


def unchanged(now: Found, claim: Claim) -> bool:
    """Whether a file is still what was claimed, by its size and the time it was last written to."""
    return (now.size, now.mtime_ns) == (claim.size, claim.mtime_ns)


def remove_empty(folder: Path, above: Path) -> None:
    """Remove a folder and its parents up to `above`, as long as they are empty."""
    while folder != above:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _take(name: str, source: int, target: int) -> bool:
    """Rename from one open folder into another; False if it is gone, or turns out to be a folder, which is put back."""
    try:
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
    except FileNotFoundError:
        return False
    status = os.stat(name, dir_fd=target, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode):
        return True
    _put_back(name, source, target)
    return False


def _put_back(name: str, source: int, target: int) -> None:
    for free in free_names(Path(name)):
        with contextlib.suppress(FileExistsError):
            rename_entry(Entry(target, name), Entry(source, free.name))
            return


def lock_file(root: Path, daemon: str) -> Path:
    """The file by which a daemon's claim folder in an inbox is held."""
    return lock.beside(root / FOLDER / daemon)


def _files(folder: Path) -> Iterator[str]:
    for path, _, names in os.walk(folder):
        for name in names:
            below = os.path.relpath(os.path.join(path, name), folder)  # noqa: PTH118  # names may not be UTF-8
            if below != MARK:
                yield below


def _remove_tree(folder: Path) -> None:
    unmark(folder)
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(path)  # noqa: PTH106  # names may not be UTF-8
