"""What runs in a worker process: it settles in, then does one job after the other until it is ended."""

import contextlib
import ctypes
import os
import pickle
import resource
import signal
import socket
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from classifyd import logs, pipeline, plugins
from classifyd.offers import Admission
from classifyd.pipeline.border import LOST_REPORT, OUT_OF_MEMORY, Border, lowest_free
from classifyd.pipeline.breadcrumb import Crumb, Trail
from classifyd.plugins import EVERYONE
from classifyd.reports import JobReport
from classifyd.trace import Trace
from classifyd.workers.line import MAX_MESSAGE_BYTES, framed, receive

log = structlog.get_logger()

_PR_SET_PDEATHSIG = 1
READY = 0
"""The number, which no job has, under which a worker says that its plugins are loaded."""
OOM_SCORE = 500
"""So much a worker's oom_score_adj (proc(5)) is above the daemon's, out of a thousand."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every worker: how it logs, and how much memory it may take (bytes; None for any).

    Where its runtime reserves memory that it does not use (`reserving`), only what it uses is counted. `admission` says
    which plugins it may import, `node` where it runs if that is not here.
    """

    log_format: logs.Format = "auto"
    log_level: str = "info"
    memory_bytes: int | None = None
    reserving: bool = False
    admission: Admission = EVERYONE
    node: str = ""


def work(line: socket.socket, crumb_path: str, daemon: int, terms: Terms) -> None:
    """Load the plugins and say so, then do jobs as they come over the line, until it or the process `daemon` ends."""
    settle(daemon, terms)
    logs.configure(terms.log_format, terms.log_level)
    if terms.node:
        structlog.contextvars.bind_contextvars(node=terms.node)
    trail = Trail(crumb_path)
    trace = Trace.of(os.environ)
    border = Border(worker=True, trace=trace)
    border.keep((0, 1, 2, line.fileno(), trail.descriptor))
    line.set_inheritable(False)  # nor is it for programs that plugins start
    try:
        jobs = pipeline.Pipeline(plugins.load(terms.admission, trace=trace), border, trail)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    line.sendall(framed(pickle.dumps((READY, os.getpid(), None))))
    wear = _Wear(terms)
    while (message := receive(line)) is not None:
        number, job = pickle.loads(message)  # noqa: S301  # the daemon's own
        with contextlib.suppress(OSError):  # on a full disk there is no crumb, and nobody to blame
            trail.drop(Crumb("beginning"))
        report = jobs.run(job)
        line.sendall(framed(_packed(number, replace(report, worn=report.worn or wear.found()))))


def settle(daemon: int, terms: Terms) -> None:
    """Die with the daemon, lead a group of one's own, keep stdout clean, be the first to go when memory is short."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != daemon:
        os._exit(1)  # the daemon died before the signal was asked for
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is the daemon's affair
    os.dup2(2, 1)
    _offer_to_die_first()
    if terms.memory_bytes is not None and not terms.reserving:
        # Private writable memory, since Linux 4.7. (RLIMIT_AS would also count what is only mapped: models, libraries.)
        resource.setrlimit(resource.RLIMIT_DATA, (terms.memory_bytes, terms.memory_bytes))


def _offer_to_die_first() -> None:
    """Where memory is short the kernel is to end a worker, which can be replaced, and not the daemon."""
    score = Path("/proc/self/oom_score_adj")
    with contextlib.suppress(OSError):  # a sandbox may show no /proc; to raise the score needs no privilege
        score.write_text(str(min(1000, int(score.read_text()) + OOM_SCORE)), encoding="ascii")


class _Wear:
    """Whether a worker should be replaced after a job, through nobody's fault: it grew, or descriptors ran low."""

    def __init__(self, terms: Terms) -> None:
        self._limit = terms.memory_bytes
        self._field = "VmRSS" if terms.reserving else "VmData"
        self._first: int | None = None

    def found(self) -> str:
        """The reason to replace it now; empty if it may go on. Its size after the first job is what it needs."""
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if lowest_free() > descriptors // 2:
            return f"more than half of its {descriptors} descriptors are taken"
        if self._limit is None:
            return ""
        taken = memory_bytes("self", (self._field,))
        self._first = taken if self._first is None else self._first
        if taken > (self._first + self._limit) // 2:
            return f"it has grown from {self._first} to {taken} bytes, of {self._limit} that it may have"
        return ""


def memory_bytes(process: int | str, fields: tuple[str, ...]) -> int:
    """The sum of some fields of a process's /proc status, in bytes; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    pairs = [line.partition(":")[::2] for line in lines]
    return sum(int(value.split()[0]) * 1024 for name, value in pairs if name in fields)


def _packed(number: int, report: JobReport) -> bytes:
    """A job's number, the process that did it, and the report. A report that cannot be sent ends the process."""
    try:
        packed = pickle.dumps((number, os.getpid(), report))
        why = f"it has {len(packed)} bytes" if len(packed) > MAX_MESSAGE_BYTES else ""
    except Exception as error:  # noqa: BLE001  # a plugin's values may be in it, which do as they like
        packed, why = b"", f"{type(error).__name__}: {error}"[:500]
    if why:
        log.error("report_lost", error=why, consequence="the job is done again")
        os._exit(LOST_REPORT)
    return packed
