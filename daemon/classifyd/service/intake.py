"""One inbox's intake: scan, let files settle, claim them, and stop while enough is held."""

import contextlib
import errno
import heapq
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import structlog
from filelock import Timeout

from classifyd.config import InboxConfig
from classifyd.errors import DiskFault, UnavailableError
from classifyd.inbox.access import make_granted_folders
from classifyd.inbox.claims import ClaimFolder, in_place
from classifyd.inbox.moves import make_folders, shown
from classifyd.inbox.quarantine import LEFT, quarantine
from classifyd.inbox.scan import Found, Settling, discover, look
from classifyd.jobs import Claim
from classifyd.ledger import Ledger
from classifyd.pipeline.parts import DISK_FAULTS
from classifyd.service.holds import Holds
from classifyd.service.work import Folders
from classifyd.values import Fault

log = structlog.get_logger()

SMALL_BYTES = 2**20

UNSURE = "may be answered already: only its own daemon's ledger knows; start that one, or see docs/operate.md"

PATH_BYTES = 4096
"""No system call takes a path of so many, or more."""

ADDED_BYTES = 64
"""Room for what is put before and behind an input's path: the claim's folder, a number, a suffix, that of a reason."""

WINDOW = 5_000
"""Files of an inbox that are watched settling, and claimed, at a time: the first by name. The rest are only counted."""


class Intake:
    """Finds and claims the inputs of one inbox.

    `backlog` holds what has settled and is not claimed yet, at most WINDOW files; `waiting` counts all that lies in the
    inbox; `oldest_at` is when the oldest of it was dropped, as the last scan saw it; before the monotonic time
    `rest_until` events ask in vain for a scan. A file whose claim is refused, for whatever is not the whole inbox's
    trouble, waits by itself: it is tried again after a pause that grows. So does a sub-folder that may not be read,
    which counts as one file. One that is `leaving` is no longer wanted.
    """

    def __init__(self, inbox: InboxConfig, folders: Folders, ledger: Ledger, settle_seconds: float) -> None:
        self.inbox = inbox
        self.claims = ClaimFolder(inbox.name, inbox.path, folders.daemon)
        self.backlog: deque[Found] = deque()
        self.waiting = 0
        self.oldest_at: float | None = None
        self.put_aside = 0
        self.rest_until = 0.0
        self.leaving = False
        self._folders = folders
        self._ledger = ledger
        self._settling = Settling(settle_seconds)
        self._left: dict[str, Found] = {}
        self._refused = Holds()

    def heed(self, inbox: InboxConfig, settle_seconds: float) -> None:
        """From now on go by these settings of the same folder."""
        self.inbox = inbox
        self.leaving = False
        self._settling.settle_seconds = settle_seconds

    def leave(self) -> None:
        """Take nothing more: it is given back once what is claimed of it is done."""
        self.leaving = True
        self.backlog.clear()
        self.waiting, self.oldest_at = 0, None

    def hold(self) -> None:
        """Take the claim folder for this daemon. UnavailableError if another process has it."""
        if self.inbox.take == "leave":
            return
        try:
            self.claims.hold()
        except Timeout as error:
            raise UnavailableError(f"{self.claims.folder}: another daemon holds it; stop that one first") from error
        except DiskFault as error:
            raise UnavailableError(str(error)) from error
        except OSError as error:
            where = error.filename or self.claims.folder
            raise UnavailableError(f"{where}: {error.strerror}; claims go there: make it writable") from error

    def prepare(self) -> None:
        """Make the folders that outputs go to. OSError if one cannot be made or written to."""
        make_granted_folders(self.inbox.output, self.inbox.access)
        results = self._folders.results(self.inbox)
        make_folders(results)
        with contextlib.suppress(PermissionError):
            results.chmod(0o700)  # what waits there for its name has not got its own mode yet
        make_folders(self.inbox.quarantine)
        for folder in (self.inbox.output, results, self.inbox.quarantine):
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(13, "not writable by this user", str(folder))

    def remove_leftovers(self, wanted: Iterable[Path]) -> None:
        """Remove half-written results of attempts that were killed, and results that no input is waiting for."""
        kept = set(wanted)
        for path in self._folders.results(self.inbox).glob("*"):
            if path not in kept:
                with contextlib.suppress(OSError):
                    path.unlink()

    @property
    def due_at(self) -> float | None:
        """The monotonic time at which a file will have settled; None if none is settling."""
        return self._settling.due_at

    @property
    def refused(self) -> Mapping[str, str]:
        """The files whose claim was refused, and closed sub-folders, and why; they are among those that wait."""
        return self._refused.reasons()

    @property
    def unsure(self) -> Mapping[str, str]:
        """The claims that were let lie, since nobody here knows whether they are published; by folder, and why."""
        return {str(place): f"{shown(str(place))}: {UNSURE}" for place in self.claims.unsure}

    def scan(self, now: float) -> None:
        """Look what is there, and put all that has settled into the backlog. OSError if the inbox cannot be listed."""
        missing = set(self._refused.reasons())
        self.waiting, self.oldest_at = 0, None
        first = heapq.nsmallest(WINDOW, self._wanted(missing), key=lambda item: item.name)
        settled = self._settling.see(first, now)
        for name in missing:
            self._refused.release(name)
        for item in settled:
            if item.unfit:
                self._put_aside(item)
        self.backlog = deque(item for item in settled if not item.unfit)

    def _wanted(self, missing: set[str]) -> Iterator[Found]:
        """What is there and was not refused of late. All of it is counted, and leaves the names that are `missing`."""

        def closed(name: str, error: PermissionError) -> None:
            self.waiting += 1
            missing.discard(name)
            if not self._refused.held(name):
                self._refuse(name, f"{shown(name)}: {error.strerror}; it must be possible to read the folder")

        for item in self._unseen(discover(self.inbox.path, recursive=self.inbox.recursive, closed=closed)):
            self.waiting += 1
            if not item.unfit:
                self.oldest_at = min(self.oldest_at or item.dropped_at, item.dropped_at)
            missing.discard(item.name)
            if not self._refused.held(item.name):
                yield item

    def claim(self, room_files: int, room_bytes: int) -> Iterator[tuple[Claim, str | None]]:
        """Claim from the backlog while there is room; each claim with its identity where inputs stay in place.

        Room for a byte is room for a file: one larger than the limit must pass as well. What is small passes always:
        it must not wait for a giant to end.
        """
        while self.backlog and room_files > 0 and (room_bytes > 0 or self.backlog[0].size <= SMALL_BYTES):
            found = self.backlog.popleft()
            held = self._claim(found)
            if self._refused.held(found.name):
                continue
            self._settling.forget(found.name)
            self.waiting -= 1
            if held is not None:
                room_files -= 1
                room_bytes -= held.size
                yield held, found.identity if self.inbox.take == "leave" else None

    def _claim(self, found: Found) -> Claim | None:
        """A claim on the file; None if it moved on since the scan, or cannot be moved now."""
        if self._reaches_too_far(found.name):
            why = "its path would become longer than the system takes; give it, or the inbox's folders, a shorter one"
            self._refuse(found.name, f"{shown(found.name)}: {why}")
            return None
        if look(str(self.inbox.path / found.name), found.name) != found:
            return None
        if self.inbox.take == "leave":
            return in_place(self.inbox.name, self.inbox.path, found)
        try:
            claim = self.claims.claim(found)
        except OSError as error:
            of_the_disk = error.errno in DISK_FAULTS and error.errno != errno.EACCES
            if of_the_disk or not os.access(self.inbox.path, os.W_OK | os.X_OK):
                raise
            why = f"{shown(found.name)}: {error.strerror or error}; it must be possible to move it out of its folder"
            self._refuse(found.name, why)
            return None
        self._refused.release(found.name)
        return claim

    def _reaches_too_far(self, name: str) -> bool:
        """Whether the path would be too long for a system call where the input is claimed, or where it comes to."""
        roots = (self.claims.folder, self.inbox.output, self.inbox.done, self.inbox.quarantine)
        longest = max(len(os.fsencode(root)) for root in roots)
        return longest + len(os.fsencode(name)) + ADDED_BYTES >= PATH_BYTES

    def _refuse(self, name: str, why: str) -> None:
        if self._refused.hold(name, why):
            log.error("not_claimed", file=shown(name), inbox=self.inbox.name, error=why, consequence="it waits")

    def _unseen(self, found: Iterable[Found]) -> Iterator[Found]:
        """All but what was taken or left before, and is the same still. What is left is known by each scan anew."""
        left = {}
        for item in found:
            if self.inbox.take == "leave" and self._ledger.has_seen(self.inbox.name, item.identity):
                continue
            if self._left.get(item.name) == item:
                left[item.name] = item
            else:
                yield item
        self._left = left

    def _put_aside(self, found: Found) -> None:
        """What can be no input, as a link or a device, is never opened: it is quarantined, or left with a reason.

        One that cannot be moved waits by itself, as a file does whose claim is refused.
        """
        inbox, place = self.inbox, LEFT
        fault = Fault("UnreadableFile", f"{shown(found.name)}: {found.unfit}")
        if inbox.take == "leave":
            self._left[found.name] = found
        else:
            try:
                source = str(inbox.path / found.name)
                place = str(quarantine(source, inbox.quarantine, found.name, inbox.name, fault, below=inbox.path))
            except OSError as error:
                why = f"{error.filename or inbox.quarantine}: {error.strerror}"
                self._refuse(found.name, f"{fault.message}; it cannot be put into quarantine: {why}")
                return
            self._refused.release(found.name)
        log.error("quarantined", file=shown(found.name), inbox=inbox.name, reason=fault.message, place=place)
        self.put_aside += 1
        self.waiting -= 1


def has_room(folder: Path, min_free_bytes: int) -> bool:
    """Whether the file system of a folder has so much space left for us."""
    free = os.statvfs(folder)
    return free.f_bavail * free.f_frsize >= min_free_bytes
