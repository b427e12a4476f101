"""What others print on the daemon's standard output and error, made lines of its log: Ray does.

A process of its own reads it: a library that ends the daemon says why with its last words, which come after the
daemon's own. Run as a script, this is that process; so nothing of ours is imported here.
"""

import contextlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Self, TextIO

MAX_CHARS = 4_000
"""So much is kept of what was printed at once."""
END_SECONDS = 1.0
PIECE_BYTES = 2**16
LINE_BYTES = 2**20
_COLORS = re.compile(r"\x1b\[[0-9;]*m")


class Strays:
    """A context in which standard output and error can be set apart; at its end they are as before."""

    def __init__(self) -> None:
        self._kept: list[int] = []
        self._log: TextIO | None = None
        self._reader = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._log is None:
            return
        with contextlib.suppress(OSError):  # whoever read it has gone
            sys.stdout.flush()
        for number, kept in zip((1, 2), self._kept, strict=True):
            os.dup2(kept, number)
            os.close(kept)
        # What others printed comes before what the command says at its end; a child that goes on has the pipe still.
        end = time.monotonic() + END_SECONDS
        with contextlib.suppress(ChildProcessError):
            while not os.waitpid(self._reader, os.WNOHANG)[0] and time.monotonic() < end:
                time.sleep(0.01)

    def set_apart(self) -> TextIO:
        """A stream to what standard error is outside; whatever is printed from now on becomes an event `printed` there.

        Told again, it gives the same stream.
        """
        if self._log is None:
            self._kept = [os.dup(1), os.dup(2)]
            self._log = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
            reading, writing = os.pipe()
            ends = [(os.POSIX_SPAWN_DUP2, reading, 0), (os.POSIX_SPAWN_DUP2, 2, 1)]
            command = [sys.executable, "-I", "-S", __file__]
            self._reader = os.posix_spawn(sys.executable, command, os.environ, file_actions=ends)
            for number in (1, 2):
                os.dup2(writing, number)
            os.close(reading)
            os.close(writing)
        return self._log


def told(lines: Iterable[str]) -> Iterator[str]:
    """Lines of a log: what is one already is left as it is, the rest of what came at once becomes one event."""
    for ours, group in groupby(lines, _is_event):
        if ours:
            yield from group
        elif said := _COLORS.sub("", "\n".join(group)).strip():
            yield _event(said[:MAX_CHARS])


def _is_event(line: str) -> bool:
    """Whether it is a line of a worker's log."""
    try:
        return line.startswith("{") and "event" in json.loads(line)
    except ValueError:
        return False


def _event(said: str) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps({"timestamp": now, "level": "warning", "event": "printed", "said": said})


def main() -> None:
    """Read until nobody can print any more; signals are for the daemon, which this outlives."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    rest = b""
    while piece := os.read(0, PIECE_BYTES):
        *lines, rest = (rest + piece).split(b"\n")
        rest = rest[-LINE_BYTES:]  # a line without an end must not take all memory
        _write(lines)
    _write([rest])


def _write(lines: list[bytes]) -> None:
    for line in told(one.decode(errors="replace") for one in lines):
        with contextlib.suppress(OSError):  # a log that cannot be written stops nobody
            os.write(1, line.encode() + b"\n")


if __name__ == "__main__":
    main()
