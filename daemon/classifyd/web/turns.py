"""Turns at the disk: so few requests may wait for it that the others are always answered."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

WAIT_SECONDS = 5.0


class Busy(Exception):  # an answer, not an error of ours
    """No turn came in time."""


class Turns:
    """At most `count` requests at a time."""

    def __init__(self, count: int) -> None:
        self._free = threading.Semaphore(count)

    @contextmanager
    def one(self, wait_seconds: float | None = None) -> Iterator[None]:
        """A turn, waited for so long, or for WAIT_SECONDS. Busy if none comes."""
        if not self._free.acquire(timeout=WAIT_SECONDS if wait_seconds is None else wait_seconds):
            raise Busy
        try:
            yield
        finally:
            self._free.release()
