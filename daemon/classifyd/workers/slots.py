"""Slots: places on a cluster, each with an actor that is asked for anew when it or its node is gone.

Ray alone decides where an actor lives and what is restarted where; a slot only asks. Nothing waits for one without end:
an actor that does not answer in time, or whose start fails, is given up, and another is asked for.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog

from classifyd.workers.raised import told

log = structlog.get_logger()

LOOK_SECONDS = 0.5
PAUSE_SECONDS = 1.0
"""Before an actor is asked for again: what keeps it from starting may last."""


@dataclass(frozen=True, slots=True, eq=False)
class Lent:
    """An actor that has answered, and its node."""

    actor: Any
    node: str


def late(seconds: float) -> str:
    """Why there is no actor after so long."""
    return f"no node had room for it, or could start it, within {seconds:g} seconds"


class Slot:
    """One place. `lent` is its actor, None while there is none; `problem` says why the last one could not be had."""

    def __init__(self, number: int, ask: Callable[[], Any], start_seconds: float) -> None:
        self.lent: Lent | None = None
        self.problem = ""
        self.jobs = 0
        self.start_seconds = start_seconds
        self._number = number
        self._ask = ask
        self._closed = threading.Event()
        self._there = threading.Condition()
        self._begin()

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """A context in which the slot has one job more."""
        with self._there:
            self.jobs += 1
        try:
            yield
        finally:
            with self._there:
                self.jobs -= 1

    def wait(self, given_up: threading.Event) -> Lent | None:
        """Its actor, waited for as long as one may take to start; None if there is none then."""
        end = time.monotonic() + self.start_seconds
        with self._there:
            while self.lent is None and not (given_up.is_set() or self._closed.is_set()):
                if time.monotonic() >= end:
                    return None
                self._there.wait(LOOK_SECONDS)
            return self.lent

    def lose(self, lent: Lent) -> None:
        """The actor is gone, or of no use: another is asked for. Told twice of the same, it acts once."""
        with self._there:
            if self.lent is not lent:
                return
            self.lent = None
        log.warning("actor_lost", slot=self._number, node=lent.node)
        _kill(lent.actor)
        self._begin()

    def close(self) -> None:
        """Give the actor back, and ask for none any more."""
        self._closed.set()
        self._seeking.join()
        if self.lent is not None:
            _kill(self.lent.actor)
            self.lent = None

    def _begin(self) -> None:
        self._seeking = threading.Thread(target=self._seek, name="seeks-an-actor", daemon=True)
        self._seeking.start()

    def _seek(self) -> None:
        while not self._closed.is_set():
            lent, problem = self._lend()
            with self._there:
                self.lent, self.problem = lent, problem
                self._there.notify_all()
            if lent is not None:
                log.info("actor_begun", slot=self._number, node=lent.node)
                return
            if not self._closed.is_set():
                log.warning("actor_not_begun", slot=self._number, error=problem)
            self._closed.wait(PAUSE_SECONDS)

    def _lend(self) -> tuple[Lent | None, str]:
        import ray  # noqa: PLC0415  # only where the engine is Ray

        end = time.monotonic() + self.start_seconds
        actor = None
        try:
            actor = self._ask()
            hello = actor.hello.remote()
            while not ray.wait([hello], timeout=LOOK_SECONDS)[0]:
                if self._closed.is_set() or time.monotonic() >= end:
                    _kill(actor)
                    return None, late(self.start_seconds)
            return Lent(actor, ray.get(hello)), ""
        except Exception as error:  # noqa: BLE001  # Ray raises what it likes; the slot goes on asking
            if actor is not None:
                _kill(actor)
            return None, told(error)


def _kill(actor: Any) -> None:
    import ray  # noqa: PLC0415  # only where the engine is Ray

    with contextlib.suppress(Exception):  # it, or the cluster, is gone already
        ray.kill(actor, no_restart=True)
