"""The border to foreign code: what a plugin's call may not leave behind is looked for when it returns.

A worker that was spoilt ends at once, with an exit code that says why, while its breadcrumb still names the task and
the records: so the daemon lays it at their door as it does a crash.
"""

import contextlib
import errno
import os
import resource
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TypeVar

from classifyd.trace import SILENT, Trace

FORKED = 120
OUT_OF_MEMORY = 121
CLOSED_DESCRIPTORS = 122
LEAKED_DESCRIPTORS = 123
LOST_REPORT = 124

_REASONS = {
    OUT_OF_MEMORY: "it ran out of the memory that a worker may have ([daemon] worker_memory_bytes)",
    CLOSED_DESCRIPTORS: "a task closed descriptors that it does not own",
    LEAKED_DESCRIPTORS: "a task left no descriptor free: it leaks them",
    LOST_REPORT: "its report could not be sent",
}

RESERVE_DESCRIPTORS = 32
"""So many must be free for the worker's own files: fewer, and it could not tell its fault from the task's."""

MAX_MESSAGE_CHARS = 1000

_T = TypeVar("_T")


class Escaped(Exception):  # it says what happened, as the errors of `errors` do
    """Foreign code raised what would end the process (SystemExit, KeyboardInterrupt): an error like any other here."""


class Border:
    """A context for calls of foreign code. `worker` says whether this process may be ended for what they do.

    A process that was forked in a call and comes back ends in silence: it is nobody's worker. The recursion limit and
    the file mode mask are put back: outputs get their modes by it.
    """

    def __init__(self, *, worker: bool = False, trace: Trace = SILENT) -> None:
        self.trace = trace
        self._worker = worker
        self._pid = os.getpid()
        self._own: dict[int, tuple[int, int]] = {}
        self._umask = os.umask(0)
        os.umask(self._umask)
        self._recursion = sys.getrecursionlimit()

    def keep(self, descriptors: Iterable[int]) -> None:
        """These are the worker's own; a call that closes one ends it."""
        for descriptor in descriptors:
            self._own[descriptor] = _identity(descriptor)

    def call(self, what: str, **about: object) -> AbstractContextManager[None]:
        """A context for a call of foreign code that is told of where calls are traced: what is called, and about it."""
        return self._traced(what, about) if self.trace.told else self

    @contextlib.contextmanager
    def _traced(self, what: str, about: Mapping[str, object]) -> Iterator[None]:
        with self.trace.call(what, **about), self:
            yield

    def __enter__(self) -> None:
        """Nothing is to be noted: all that counts is known from before."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look at what the call left. Escaped in place of what is no Exception."""
        self.look(error)
        if error is not None and not isinstance(error, Exception):
            raise Escaped(f"{type(error).__name__}: {said(error)}") from error

    def look(self, error: BaseException | None = None) -> None:
        """End the process if the call, or what it raised, has made it unfit."""
        if os.getpid() != self._pid:
            os._exit(FORKED)
        os.umask(self._umask)
        sys.setrecursionlimit(self._recursion)
        if not self._worker:
            return
        if isinstance(error, MemoryError):
            os._exit(OUT_OF_MEMORY)
        self._look_at_descriptors()

    def _look_at_descriptors(self) -> None:
        for descriptor, identity in self._own.items():
            if _identity(descriptor) != identity:
                os._exit(CLOSED_DESCRIPTORS)
        if lowest_free() > resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVE_DESCRIPTORS:
            os._exit(LEAKED_DESCRIPTORS)

    def each(self, items: Iterator[_T], what: str) -> Iterator[_T]:
        """The items of a foreign iterator; getting each is a call of foreign code."""
        items = self.trace.each(items, what)
        while True:  # a `with` for each item would cost as much as the item
            try:
                item = next(items)
            except StopIteration:
                return
            except BaseException as error:
                self.__exit__(type(error), error, None)
                raise
            if os.getpid() != self._pid:
                os._exit(FORKED)
            yield item


def how_it_ended(code: int) -> str:
    """A sentence on the exit code of a worker: a signal's name, or one of the codes above."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"its process was killed by {signal.Signals(-code).name}"
    return _REASONS.get(code, f"its process ended with exit code {code}")


def lowest_free() -> int:
    """The number that the next descriptor would get: how many are in use, about. The limit if there is none free."""
    try:
        descriptor = os.open("/", os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0] if error.errno == errno.EMFILE else 0  # not the process's
    os.close(descriptor)
    return descriptor


def _identity(descriptor: int) -> tuple[int, int]:
    try:
        found = os.fstat(descriptor)
    except OSError:
        return (-1, -1)
    return (found.st_dev, found.st_ino)


def said(error: BaseException) -> str:
    """The message of what foreign code raised, as text that can be written and is not endless."""
    try:
        return str(error)[:MAX_MESSAGE_CHARS].encode("utf-8", "backslashreplace").decode()
    except Exception as worse:  # noqa: BLE001  # even that is foreign code
        return f"(its message cannot be had: {type(worse).__name__})"
