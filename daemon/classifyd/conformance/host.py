"""The process that asks: it starts the trial, and takes up where one ended that a plugin brought down."""

import contextlib
import json
import multiprocessing
import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any

from classifyd.conformance.findings import Finding, Request
from classifyd.conformance.trial import LOADING, run
from classifyd.pipeline.border import how_it_ended
from classifyd.workers.line import Garbled, Incoming, read_some

CHECK_SECONDS = 120.0
"""So long may a check take, beside the time that loading may."""
END_SECONDS = 5.0
LOOK_SECONDS = 0.25


def examine(request: Request, check_seconds: float = CHECK_SECONDS) -> Iterator[Finding]:
    """Each finding as it is made. A check that ends its process, or hangs, has failed; the next goes on in another."""
    done = 0
    lost: set[str] = set()
    while True:
        trial = _Trial(request, done, frozenset(lost), check_seconds)
        try:
            yield from trial.findings()
        finally:
            trial.end()
        if trial.died is None:
            return
        yield trial.died
        if trial.last is None:  # not even the import came back
            return
        done = trial.last + 1
        if trial.died.check == LOADING:
            lost.add(trial.died.subject)


class _Trial:
    """One process and what it told. `died` is the finding that its end stands for; `last` the check it had begun."""

    def __init__(self, request: Request, done: int, lost: frozenset[str], check_seconds: float) -> None:
        self.died: Finding | None = None
        self.last: int | None = None
        self._patience = {LOADING: request.load_seconds, "import": request.load_seconds}
        self._check_seconds = check_seconds
        self._line, theirs = socket.socketpair()
        self._line.setblocking(False)
        context = multiprocessing.get_context("spawn")
        with theirs:
            self._process = context.Process(target=run, args=(theirs, os.getpid(), request, done, lost))
            self._process.start()
        self._incoming = Incoming()
        self._subject, self._check = "plugin", "import"
        self._began = time.monotonic()

    def findings(self) -> Iterator[Finding]:
        """What comes over the line, until the trial is through or has come to grief."""
        try:
            while True:
                piece = self._read()
                self._incoming.feed(piece)
                while (message := self._incoming.take()) is not None:
                    found = self._told(json.loads(message))
                    if found is True:
                        return
                    if isinstance(found, Finding):
                        yield found
                if not piece:
                    self._died(self._how())
                    return
        except TimeoutError as error:
            self._died(str(error))
        except (Garbled, ValueError, KeyError, TypeError):
            self._died("it wrote into the line between the processes")

    def end(self) -> None:
        """Kill the process with all that its plugin started."""
        assert self._process.pid is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join(END_SECONDS)
        self._line.close()

    def _read(self) -> bytes:
        """What comes next; nothing if there is nobody left. TimeoutError if it takes too long."""
        while not select.select([self._line], [], [], LOOK_SECONDS)[0]:
            if not self._process.is_alive():
                return b""  # a child of the plugin's may hold the line open
            limit = self._check_seconds + self._patience.get(self._check, 0.0)
            if time.monotonic() - self._began > limit:
                raise TimeoutError(f"it took longer than {limit:g} s and was killed")
        return read_some(self._line)

    def _told(self, message: dict[str, Any]) -> Finding | bool:
        """The finding in a message, True at the end; False for anything else."""
        if message["pid"] != self._process.pid:  # a child that the plugin forked, and that came back
            return False
        if "end" in message:
            return True
        if "begun" in message:
            self._began = time.monotonic()
            if message["begun"] != "import":
                self.last, self._subject, self._check = message["begun"], message["subject"], message["check"]
            return False
        seconds = float(message.get("seconds", 0.0))
        return Finding(message["subject"], message["check"], message["verdict"], str(message["said"]), seconds)

    def _how(self) -> str:
        self._process.join(END_SECONDS)
        code = self._process.exitcode
        return "the line to its process was closed" if code is None else how_it_ended(code)

    def _died(self, how: str) -> None:
        self.died = Finding(self._subject, self._check, "failed", how, time.monotonic() - self._began)
