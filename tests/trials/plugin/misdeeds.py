"""A task for each thing that a plugin may do wrong. Each does it over a text that asks for it by name, and no other.

The environment says more: UNTIL names a file while which lies there `deadly` does its deed over every text; DEED says
which; TOLD is where `counted` writes what the ledger LEDGER says at the moment that it kills its worker.
"""

import ctypes
import gc
import locale
import os
import signal
import socket
import sqlite3
import struct
import sys
import threading
import time
from pathlib import Path

from classifyd.api import Annotation, Fault, Label, Span, hookimpl

KEPT = []


def raises():
    raise ValueError("asked to raise")


def says_nonsense():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("not even that")

    raise Mute


def exits():
    sys.exit(0)


def interrupts():
    raise KeyboardInterrupt


def leaves():
    raise GeneratorExit


class Base(BaseException):
    pass


def raises_the_base():
    raise Base("below every exception")


def ends():
    os._exit(0)


def crashes():
    ctypes.string_at(0)


def hangs():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(3600)


def eats():
    while True:
        KEPT.append(b"x" * 2**24)


def eats_shared():
    while True:
        piece = ctypes.CDLL(None).mmap
        piece.restype = ctypes.c_void_p
        piece.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        ctypes.memset(piece(None, 2**24, 3, 0x21, -1, 0), 1, 2**24)  # MAP_SHARED | MAP_ANONYMOUS
        time.sleep(0.01)


def forks():
    if os.fork() == 0:
        Path(os.environ["CHILD"]).write_text(str(os.getpid()))
        time.sleep(3600)


def forks_on():
    os.fork()  # the child comes back into the worker's code, as one that forgot to end does


def forks_and_exits():
    if os.fork() == 0:
        sys.exit(0)


def leaks():
    while True:
        KEPT.append(os.open("/dev/null", os.O_RDONLY))


def leaks_in_silence():
    try:
        leaks()
    except OSError:
        return


def closes():
    for descriptor in range(3, 256):
        try:
            os.close(descriptor)
        except OSError:
            continue


def closes_standard():
    for descriptor in (0, 1, 2):
        os.close(descriptor)


def prints():
    print("a plugin may print")
    os.write(1, b"\xff\xfe garbage\n")
    os.write(2, b"\xff\xfe garbage\n")


def babbles():
    """Write what is no message to every socket, and wait for what comes of it."""
    for path in list(Path("/proc/self/fd").iterdir()):
        try:
            line = socket.socket(fileno=os.dup(int(path.name)))
            line.send(struct.pack("!Q", 2**62) + b"garbage")
        except OSError:
            continue
    time.sleep(3600)


def dies_speaking():
    """Send the beginning of a long message, and end."""
    for path in list(Path("/proc/self/fd").iterdir()):
        try:
            socket.socket(fileno=os.dup(int(path.name))).send(struct.pack("!Q", 2**20) + b"x" * 1000)
        except OSError:
            continue
    os.kill(os.getpid(), signal.SIGKILL)


def threads():
    for _ in range(20):
        threading.Thread(target=time.sleep, args=(3600,)).start()
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join()


def changes():
    os.chdir("/")
    os.umask(0o777)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    for name in ("de_DE.UTF-8", "C.UTF-8"):
        try:
            locale.setlocale(locale.LC_ALL, name)
        except locale.Error:
            continue
    os.environ.clear()
    gc.disable()
    sys.setrecursionlimit(100)


def counted():
    """Note how often the ledger says that this was tried, and be killed."""
    ledger = sqlite3.connect(f"file:{os.environ['LEDGER']}?mode=ro", uri=True)
    mine = "SELECT count FROM attempts JOIN inputs USING (claim) WHERE CAST(name AS TEXT) LIKE 'counted%'"
    (count,) = ledger.execute(mine).fetchone()
    with Path(os.environ["TOLD"]).open("a") as told:
        told.write(f"{count}\n")
    os.kill(os.getpid(), signal.SIGKILL)


def deadly():
    """Over every text, as long as a file lies there."""


DEEDS = {
    deed.__name__: deed
    for deed in (
        *(raises, says_nonsense, exits, interrupts, leaves, raises_the_base),
        *(ends, crashes, hangs, eats, eats_shared),
        *(forks, forks_on, forks_and_exits, leaks, leaks_in_silence, closes, closes_standard),
        *(prints, babbles, dies_speaking, threads, changes, counted, deadly),
    )
}

ANSWERS = {
    "nothing": lambda n: None,
    "a_number": lambda n: 7,
    "too_few": lambda n: [[Label("calm", 1.0)]] * (n - 1),
    "too_many": lambda n: [[Label("calm", 1.0)]] * (n + 1),
    "text": lambda n: ["calm"] * n,
    "nones": lambda n: [None] * n,
    "nan": lambda n: [[Label("calm", float("nan"))]] * n,
    "above_one": lambda n: [[Label("calm", 1.5)]] * n,
    "no_score": lambda n: [[Label("calm", "high")]] * n,
    "outside": lambda n: [[Span(0, 10**6, "PER", 0.5)]] * n,
    "between": lambda n: [[Span(0.5, 1.5, "PER", 0.5)]] * n,
    "two_lines": lambda n: [[Label("calm\nloud", 0.5)]] * n,
    "surrogate": lambda n: [[Label("\ud800", 0.5)]] * n,
    "no_text": lambda n: [[Label(lambda: None, 0.5)]] * n,
    "endless": lambda n: [[Label("x" * 10**6, 0.5)]] * n,
    "no_fault": lambda n: [Annotation(error="wrong")] * n,
    "mixed": lambda n: [Annotation(labels=(Span(0, 1, "PER", 0.5),))] * n,
    "odd_fault": lambda n: [Annotation(error=Fault(Base, Base("odd")))] * n,
}
"""Answers for so many records, all of them wrong but the last, which is odd."""


class Misdeed:
    """Answers `calm`, but for what it is named after."""

    def __init__(self, name):
        self.name = name

    def load(self, setup):
        return self

    def predict(self, records):
        asked = any(f"please {self.name} now" in record.text for record in records)
        if self.name == "deadly" and Path(os.environ.get("UNTIL", "/nowhere")).exists():
            DEEDS[os.environ["DEED"]]()
        if asked and self.name in ANSWERS:
            return ANSWERS[self.name](len(records))
        if asked:
            DEEDS[self.name]()
        return [[Label("calm", 1.0)] for _ in records]


class Leaky:
    """Keeps a little more memory for every record."""

    name = "leaky"

    def load(self, setup):
        return self

    def predict(self, records):
        KEPT.extend(bytes(2**20) for _ in records)
        return [[Label("calm", 1.0)] for _ in records]


@hookimpl
def register_tasks():
    return [*map(Misdeed, (*DEEDS, *ANSWERS)), Leaky()]


@hookimpl
def job_done(report):
    observe(f"job {report.records}")


@hookimpl
def file_done(report):
    observe(f"file {report.source}")


def observe(what):
    """Note what was told, and then do as the environment says."""
    if "OBSERVED" in os.environ:
        with Path(os.environ["OBSERVED"]).open("a") as told:
            told.write(f"{what}\n")
    if "OBSERVER" in os.environ:
        DEEDS[os.environ["OBSERVER"]]()
