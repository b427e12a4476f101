"""What the page wants done that only the main loop may do: left for it, and waited for a moment.

The ledger has one writer. A request hands its wish over and waits; if the main loop does not come to it in time the
wish is taken back, and is then never granted.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from classifyd.errors import DiskFault, UnavailableError
from classifyd.ledger import Correction

WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A correction is to be taken back."""

    key: str


class Wish:
    """One correction to be kept, or taken back. Made and waited for in one thread, granted in another."""

    def __init__(self, deed: Correction | Withdrawal) -> None:
        self.deed = deed
        self._free = threading.Lock()  # taken by the main loop to grant it, or by who waits to take it back
        self._over = threading.Event()
        self._fault: DiskFault | None = None

    def grant(self, do: Callable[[Correction | Withdrawal], None]) -> None:
        """Have `do` do it, unless nobody waits for it any more. A DiskFault is for the one who waits."""
        if not self._free.acquire(blocking=False):
            return
        try:
            do(self.deed)
        except DiskFault as fault:
            self._fault = fault
        finally:
            self._over.set()

    def wait(self, seconds: float) -> None:
        """Return once it is done. UnavailableError if it is not, and that it is not known if the disk hangs."""
        if not self._over.wait(seconds):
            if self._free.acquire(blocking=False):
                raise UnavailableError("the daemon is busy; nothing was recorded, try again")
            if not self._over.wait(seconds):
                raise UnavailableError("the disk is slow to answer; look again whether it was recorded")
        if self._fault is not None:
            raise UnavailableError(f"nothing was recorded: {self._fault}") from self._fault
