"""One worker process as the daemon sees it: given a job, waited for, watched, killed with all that it started."""

import contextlib
import multiprocessing
import os
import pickle
import select
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from classifyd.jobs import Job
from classifyd.pipeline import breadcrumb
from classifyd.pipeline.border import how_it_ended
from classifyd.pipeline.breadcrumb import Crumb
from classifyd.reports import JobReport
from classifyd.workers.line import Garbled, Incoming, framed, read_some, unpickled
from classifyd.workers.worker import READY, Terms, memory_bytes, work

LOOK_SECONDS = 0.25
"""How often a busy worker's deadline and memory are looked at."""
KEPT = ("RssAnon", "RssShmem")
"""The memory that a worker alone needs. RLIMIT_DATA ends one that takes too much sooner; this is for what it misses."""
START_SECONDS = 120.0
"""So long may a process take to begin and to load its plugins, before its first job counts the time."""
END_SECONDS = 5.0
"""A killed process is gone at once, unless the kernel is in the middle of something for it."""


class Died(Exception):  # not an error of ours: the job's outcome says so
    """The worker is gone or was killed; the message says why.

    `with_node` means that the actor which kept it, or the whole node, went with it.
    """

    def __init__(self, why: str, *, with_node: bool = False) -> None:
        super().__init__(why)
        self.with_node = with_node


class Process:
    """A process that was started, and whose job `run` does. To be made by a thread that outlives it.

    (PR_SET_PDEATHSIG, by which it dies with the daemon, goes by the thread that made it.)
    """

    start_seconds = START_SECONDS
    available = True

    def __init__(self, terms: Terms, crumb_path: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.node = terms.node
        self._terms = terms
        self._crumb_path = crumb_path
        self._line, theirs = socket.socketpair()
        self._line.setblocking(False)
        with theirs:  # closed here once it is handed over, so that the line ends when the worker does
            self._process = context.Process(target=work, args=(theirs, crumb_path, os.getpid(), terms))
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        self._pidfd = os.pidfd_open(self.pid)
        self._incoming = Incoming()
        self._ready = False
        self._ended = False

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.exitcode is None

    def run(self, number: int, job: Job, seconds: float) -> JobReport:
        """Have a job done within so many seconds; its report. Died if the worker did, or had to be killed."""
        with contextlib.suppress(OSError):  # on a full disk an old crumb stays, of a job that was done
            Path(self._crumb_path).write_bytes(b"")  # emptied, not removed: the worker keeps it open
        conversation = _Conversation(self._line, self._pidfd, framed(pickle.dumps((number, job))), self._incoming)
        deadline = time.monotonic() + (seconds if self._ready else START_SECONDS)
        try:
            while not conversation.ended(LOOK_SECONDS):
                for told, report in map(self._told, conversation.messages()):
                    if report is not None and told == number:
                        return report
                    if told == READY:
                        self._ready, deadline = True, time.monotonic() + seconds
                self._watch(deadline)
        except Garbled as error:
            raise Died(f"its report cannot be read: {error}") from error
        raise Died(self._how())

    def crumb(self) -> Crumb | None:
        """What it left, once it has ended; None if it had not begun."""
        return breadcrumb.read(self._crumb_path)

    def end(self) -> None:
        """Kill the process and its group, that is what its plugins started, and wait until it is gone."""
        if self._ended:
            return
        self._ended = True
        # The group first: until its leader is waited for, nobody else can have that number.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join(END_SECONDS)

    def close(self) -> None:
        """Give back the line of a process that was ended; nobody may be waiting for it any more."""
        self._line.close()
        os.close(self._pidfd)
        with contextlib.suppress(ValueError):  # it has not gone yet
            self._process.close()

    def _told(self, message: bytes) -> tuple[int | None, JobReport | None]:
        """What a message says, and of which job; nothing if it is another process's: a child's that it forked."""
        match unpickled(message):
            case (int(told), int(pid), JobReport() | None as report):
                return (told, report) if pid == self.pid else (None, None)
        raise Garbled("it is no report")

    def _watch(self, deadline: float) -> None:
        if time.monotonic() >= deadline:
            raise Died("it took longer than its deadline and was killed")
        limit = self._terms.memory_bytes
        if limit is not None and (taken := memory_bytes(self.pid, KEPT)) > limit:
            raise Died(f"it took {taken} bytes of memory, of {limit} that a worker may have, and was killed")

    def _how(self) -> str:
        self._process.join(END_SECONDS)
        code = self._process.exitcode
        return "its line to the daemon was closed" if code is None else how_it_ended(code)


class _Conversation:
    """A job on its way out and its report on the way back, over a line that is never waited on."""

    def __init__(self, line: socket.socket, pidfd: int, job: bytes, incoming: Incoming) -> None:
        self._line = line
        self._pidfd = pidfd
        self._job = memoryview(job)
        self._incoming = incoming
        self._poll = select.poll()
        self._poll.register(line, select.POLLIN | select.POLLOUT)
        self._poll.register(pidfd, select.POLLIN)

    def ended(self, seconds: float) -> bool:
        """Pass on what can be passed, waiting at most so long; whether there is nobody to talk to any more."""
        events = dict(self._poll.poll(seconds * 1000))
        on_line = events.get(self._line.fileno(), 0)
        if on_line & select.POLLOUT:
            self._send()
        if on_line & (select.POLLIN | select.POLLHUP | select.POLLERR):
            piece = read_some(self._line)
            self._incoming.feed(piece)
            return not piece
        # What it said last is read before its death is believed; children of its plugins may hold the line open.
        return self._pidfd in events

    def messages(self) -> Iterator[bytes]:
        """What has come in whole."""
        while (message := self._incoming.take()) is not None:
            yield message

    def _send(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):  # one that is gone is noticed by its silence
            self._job = self._job[self._line.send(self._job) :]
        if not self._job:
            self._poll.modify(self._line, select.POLLIN)
