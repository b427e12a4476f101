"""The log on standard error: for people on a terminal, JSON lines otherwise; no file name can break a line."""

import contextlib
import logging
import math
import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import Processor

Format = Literal["auto", "console", "json"]


def configure(format: Format = "auto", level: str = "info", stream: TextIO | None = None) -> None:  # noqa: A002  # the word of the configuration
    """Send this process's log, that of libraries and Python's warnings included, to standard error, or to `stream`."""
    stream = stream or sys.stderr
    least = logging.getLevelNamesMapping()[level.upper()]
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        printable,
    ]
    renderer = _console(stream) if for_people(format, stream) else _json()
    structlog.configure(
        processors=[*common, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=False,  # so that a second call of this takes effect everywhere
    )
    _adopt_standard_logging(common, renderer, _Lines(stream), least)


def for_people(format: Format, stream: TextIO) -> bool:  # noqa: A002  # the word of the configuration
    """Whether a log there is for people, not for programs."""
    return format == "console" or (format == "auto" and stream.isatty())


def printable(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape control characters and what is not Unicode in every value; tracebacks keep their lines."""
    ordered = dict.fromkeys(("timestamp", "level", "event")) | dict(event)
    return {key: escaped(value, keep="\n\t" if key == "exception" else "") for key, value in ordered.items()}


def escaped(value: Any, keep: str = "") -> Any:
    """The value with every text in it made printable; what is no plain value becomes text."""
    match value:
        case None | bool() | int() | float():
            # JSON has no word for infinity.
            return str(value) if isinstance(value, float) and not math.isfinite(value) else value
        case str():
            return "".join(c if c.isprintable() or c in keep else _escape(c) for c in value)
        case Mapping():
            return {escaped(str(key)): escaped(inner, keep) for key, inner in value.items()}
        case Sequence() if not isinstance(value, bytes):
            return [escaped(inner, keep) for inner in value]
        case _:
            return escaped(os.fsdecode(value) if isinstance(value, bytes) else str(value), keep)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _console(stream: TextIO) -> Processor:
    colors = stream.isatty() and not os.environ.get("NO_COLOR")
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)


def _json() -> Processor:
    return structlog.processors.JSONRenderer(ensure_ascii=False, allow_nan=False, default=str)


class _Lines:
    """Writes one line at a time; a log that cannot be written (a full disk, a gone reader) stops nobody."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        # ValueError: the stream was closed, as at the end of a process.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = fatal = exception = log = msg


class _Handler(logging.Handler):
    """Renders what libraries log as our own events are rendered."""

    def __init__(self, processors: Sequence[Processor], renderer: Processor, lines: _Lines) -> None:
        super().__init__()
        self._processors = (*processors, renderer)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event: Any = {"event": record.getMessage().rstrip(), "logger": record.name}
            if record.exc_info:
                event["exc_info"] = record.exc_info
            for processor in self._processors:
                event = processor(None, record.levelname.lower(), event)
            self._lines.msg(event)
        except Exception:  # noqa: BLE001  # the caller is foreign code, whose arguments may not fit its own message
            self.handleError(record)


def _adopt_standard_logging(common: Sequence[Processor], renderer: Processor, lines: _Lines, least: int) -> None:
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _Handler)]:
        root.removeHandler(old)
    root.addHandler(_Handler(common, renderer, lines))
    # Libraries are chatty below a warning, and what they say is not meant for our users.
    root.setLevel(max(least, logging.WARNING))
    logging.captureWarnings(capture=True)
