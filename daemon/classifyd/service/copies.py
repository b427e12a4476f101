"""Copies of inputs that retire to another file system: made in a thread, for the main loop has no time for them."""

import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from classifyd.inbox.moves import copy_into
from classifyd.jobs import Claim


class Copies:
    """Makes copies one after the other. `told` is called from another thread when one is made, or cannot be."""

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told
        self._asked: SimpleQueue[tuple[Claim, Path, Path | None] | None] = SimpleQueue()
        self._under_way: set[str] = set()
        self._made: dict[str, Path | OSError] = {}
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def under_way(self, claim: str) -> bool:
        """Whether an input is being copied, or is to be."""
        return claim in self._under_way

    def make(self, claim: Claim, folder: Path, below: Path | None) -> Path | None:
        """The whole copy of an input, hidden in a folder; None as long as it is being made. OSError if it cannot be."""
        made = self._made.pop(claim.id, None)
        if isinstance(made, OSError):
            raise made
        if made is None and claim.id not in self._under_way:
            self._under_way.add(claim.id)
            self._asked.put((claim, folder, below))
            self._begin()
        return made

    def stop(self) -> None:
        """End the thread, in the midst of a copy if need be."""
        self._stopped.set()
        self._asked.put(None)
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="copies", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            claim, folder, below = asked
            try:
                name = hidden_name(claim.id)
                self._made[claim.id] = copy_into(claim.path, folder, name, below=below, stopped=self._stopped.is_set)
            except OSError as error:
                self._made[claim.id] = error
            self._under_way.discard(claim.id)
            self._told()


def hidden_name(claim: str) -> str:
    """What a copy is called until it gets its name."""
    return f".{claim}.copy"
