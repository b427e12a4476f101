"""Every call by which the daemon or its worker changes the disk, one at a time: made deadly by strace, or made to fail.

A course is one whole run over a few inputs: start, wait until all have ended, stop. A first one records the calls;
each of those on a file of the place is a site, known by its number among the calls of its name.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from gzip import compress
from pathlib import Path

from daemons import Place
from nursery import PLUGIN
from oracle import Account, Consumer, Producer, Scene, account
from restarts import CRASHED, Restarts, runs
from shapes import Shape, jsonl, mark

TRACED = Path(__file__).with_name("traced")
CHANGES = (
    "write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,"
    "link,linkat,symlink,symlinkat,open,openat,creat,ftruncate,truncate,fallocate,sendfile,copy_file_range,chmod,fchmod,"
    "fchmodat,utimensat"
)
OPTIONS = {"tasks": ("slow",), "workers": 1, "split_seconds": 0.05, "more": 'format = "same"'}
PUBLISHED = {"note.txt", "table.csv", "rows.jsonl", "packed.jsonl.gz"}
QUARANTINED = {"bad.txt"}


@dataclass(frozen=True, slots=True)
class Site:
    """One call: whose, which, the how-maniest of its name, and on what."""

    who: str
    call: str
    number: int
    path: str
    changes: bool = True
    """False for a file that is only opened for reading."""
    refused: bool = False
    """It fails without any help: a folder that is to be there is made, and is there."""

    def __str__(self) -> str:
        return f"{self.who}'s {self.call} {self.number} ({self.path})"

    @property
    def kind(self) -> tuple[str, str, str]:
        """The same for calls that do the same to files of one kind: what is random in names is left out."""
        return self.who, self.call, re.sub(r"[0-9a-f]{12,}|\d+-[0-9a-f]{8}|\d+", "*", self.path)


def traceable() -> bool:
    """Whether strace is here and may take hold of its own parent."""
    if shutil.which("strace") is None:
        return False
    code = (
        "import os, subprocess, sys; p = subprocess.Popen(['strace', '-o', '/dev/null', '-p', str(os.getpid())],"
        " stderr=subprocess.PIPE); sys.exit(b'attached' not in p.stderr.readline())"
    )
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def restarts() -> Restarts:
    """What starts the daemons of courses, ready to be traced."""
    more = {"PYTHONPATH": f"{TRACED}:{PLUGIN}", "PYTHONWARNINGS": "default", "SLOW_SECONDS": "0.0001"}
    return Restarts({**os.environ, **more})


class Course:
    """A place of its own for one course."""

    def __init__(self, root: Path, starts: Restarts) -> None:
        root.mkdir()
        self.starts = starts
        self.place = Place.make(root, **OPTIONS)
        self.producer = Producer(root / "in", root / "oracle")
        self.trace = root / "trace"
        for shape in _inputs():
            self.producer.drop(shape)

    def run(self, who: str, *strace: str) -> int:
        """One course, `who` under strace with these arguments; the daemon's exit code."""
        arguments = ["-qq", "-y", "-s", "0", "-o", str(self.trace), "-e", f"trace={CHANGES}", *strace]
        more = {
            "TRACED": who,
            "TRACED_ONCE": str(self.place.root / "once"),
            "STRACE": json.dumps(arguments),
        }
        daemon = self.starts.start(self.place.root, more)
        _wait(240, lambda: not runs(daemon) or self.ended())
        if runs(daemon):
            os.kill(daemon, signal.SIGTERM)
            _wait(240, lambda: not runs(daemon))
        if runs(daemon):
            os.kill(daemon, signal.SIGKILL)
        return self.starts.wait(daemon)

    def ended(self) -> bool:
        """Whether every input has reached its end."""
        return self.place.files("done") >= PUBLISHED and self.place.files("quarantine") >= QUARANTINED

    def sites(self, who: str) -> list[Site]:
        """The calls of the last course on files of the place."""
        return list(_sites(who, self.trace.read_text(), str(self.place.root)))

    def injected(self, site: Site) -> str | None:
        """The call that strace made fail, or at which it killed; None if none was, or none on a file of the place."""
        lines = self.trace.read_text().splitlines() if self.trace.exists() else []
        changed = [line for line in lines if "(INJECTED)" in line]
        number = [line for line in lines if line.startswith(f"{site.call}(")]
        line = changed[0] if changed else number[site.number - 1] if len(number) >= site.number else ""
        return line if str(self.place.root) in line else None


def tried(
    root: Path, starts: Restarts, site: Site, inject: str, expected: dict[str, bytes]
) -> tuple[list[str], Course, int]:
    """One course with an injection at a site, ended by another start where it has to be; all that went wrong."""
    course = Course(root, starts)
    consumer = Consumer(root / "out", root / "oracle")
    consumer.start()
    code = course.run(site.who, "-e", f"inject={site.call}:{inject}:when={site.number}")
    wrong = [] if course.injected(site) else ["missed: the call did not come"]
    # What came instead may be on a pipe or socket, which knows no such fault.
    wrong += ["the daemon crashed"] if code == CRASHED and not wrong else []
    if not course.ended() or code != 0 or _judged(course, consumer, expected).faults:
        again = starts.once(course.place.root)
        wrong += [] if again in {0, 1} else [f"the next start ended with {again}"]
    consumer.stop()
    found = _judged(course, consumer, expected)
    wrong += found.faults
    if found.published != PUBLISHED or set(found.quarantined) != QUARANTINED:
        wrong.append(f"published {sorted(found.published)}, quarantined {sorted(found.quarantined)}")
    if "Traceback" in course.place.log():
        wrong.append("a traceback is in the log")
    return wrong, course, code


def _wait(seconds: float, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)


def _judged(course: Course, consumer: Consumer, expected: dict[str, bytes]) -> Account:
    consumer.look()
    return account(Scene(course.place.root), course.producer.dropped(), consumer, expected)


def _sites(who: str, trace: str, root: str) -> Iterator[Site]:
    numbers: dict[str, int] = {}
    for line in trace.splitlines():
        call = line.partition("(")[0]
        numbers[call] = numbers.get(call, 0) + 1
        paths = re.findall(rf'[<"]{re.escape(root)}/([^>"]*)[>"]', line)
        if paths and paths[0] != "once":
            changes = call != "openat" or "O_CREAT" in line
            yield Site(who, call, numbers[call], paths[0], changes, refused=" = -1 E" in line)


def _inputs() -> list[Shape]:
    dice = random.Random(20261126)
    texts = [{"text": f"{mark('packed.jsonl.gz', index)} {dice.randbytes(40).hex()}"} for index in range(400)]
    packed = compress("".join(json.dumps(text) + "\n" for text in texts).encode(), mtime=0)
    table = "text\n" + "".join(f"{mark('table.csv', index)}\n" for index in range(3))
    return [
        Shape("bad.txt", bytes(range(256)) * 20, 0),
        Shape("note.txt", mark("note.txt", 0).encode(), 1),
        Shape("table.csv", table.encode(), 3),
        jsonl("rows.jsonl", 1000, dice),
        Shape("packed.jsonl.gz", packed, len(texts)),
    ]
