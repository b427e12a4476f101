"""Each call of a plugin with its time, as an event of the log: for authors who set CLASSIFYD_TRACE_PLUGINS=1."""

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

import structlog

from classifyd import logs

VARIABLE = "CLASSIFYD_TRACE_PLUGINS"
_NOTHING: AbstractContextManager[None] = nullcontext()

_T = TypeVar("_T")

log = structlog.get_logger()


class Trace:
    """Tells of calls, if `told`; else it costs next to nothing."""

    def __init__(self, *, told: bool) -> None:
        self.told = told

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Trace":
        """As the environment asks for it."""
        return cls(told=environ.get(VARIABLE, "") not in ("", "0"))

    @classmethod
    def shown(cls, environ: Mapping[str, str]) -> "Trace":
        """The same for a command that logs nothing else: what is told of goes to standard error."""
        trace = cls.of(environ)
        if trace.told:
            logs.configure()
        return trace

    def call(self, what: str, **about: object) -> AbstractContextManager[None]:
        """A context for one call; `about` is said with it, and what it raised."""
        return self._timed(what, about) if self.told else _NOTHING

    def tell(self, what: str, seconds: float, **about: object) -> None:
        """Tell of a call that was timed elsewhere."""
        if self.told:
            log.info("plugin_called", call=what, seconds=round(seconds, 6), **about)

    def each(self, items: Iterator[_T], what: str) -> Iterator[_T]:
        """The items of a foreign iterator; told of once, with the time that they took to come."""
        return self._timed_each(items, what) if self.told else items

    def _timed_each(self, items: Iterator[_T], what: str) -> Iterator[_T]:
        count, seconds, began = 0, 0.0, time.perf_counter()
        try:
            for item in items:
                count, seconds = count + 1, seconds + time.perf_counter() - began
                yield item
                began = time.perf_counter()
        finally:
            self.tell(what, seconds, items=count)

    @contextmanager
    def _timed(self, what: str, about: Mapping[str, object]) -> Iterator[None]:
        raised = {}
        began = time.perf_counter()
        try:
            yield
        except BaseException as error:
            raised = {"raised": type(error).__name__}
            raise
        finally:
            self.tell(what, time.perf_counter() - began, **about, **raised)


SILENT = Trace(told=False)
