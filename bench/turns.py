"""Contenders that take turns: each a process that loads once, and then does all its work for each line that it reads.

One round asks every contender in turn, so that whatever else the machine does falls on all of them alike.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def serve(work: Callable[[], object]) -> None:
    """Be a contender: say that it is ready, then work once for each line, and tell what it took."""
    print("ready", flush=True)
    for _ in sys.stdin:
        began, spent = time.perf_counter(), processor_seconds()
        work()
        took = {"seconds": time.perf_counter() - began, "processor": processor_seconds() - spent}
        took["peak"] = peak_bytes()
        print(json.dumps(took), flush=True)


def peak_bytes() -> float:
    """The most memory that this process had; getrusage tells its parent's where that had more."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def processor_seconds() -> float:
    """Of this process and of those of its children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def rounds(names: Sequence[str], count: int) -> dict[str, list[dict[str, float]]]:
    """Run the same command with `--answer NAME` for each contender; what each took, round by round."""
    running = {name: _start(name) for name in names}
    for process in running.values():
        while _line(process) != "ready":
            pass
    found: dict[str, list[dict[str, float]]] = {name: [] for name in running}
    for _ in range(count):
        for name, process in running.items():
            process.stdin.write("go\n")
            process.stdin.flush()
            found[name].append(json.loads(_line(process)))
    for process in running.values():
        process.stdin.close()
        process.wait()
    return found


def ratios(peer: Sequence[dict[str, float]], one: Sequence[dict[str, float]]) -> str:
    """How many times as fast as its peer, the median over the rounds."""
    pairs = zip(peer, one, strict=True)
    return f"{statistics.median(other['seconds'] / mine['seconds'] for other, mine in pairs):.1f}"


def _start(name: str) -> Any:
    words = [sys.executable, *sys.argv, "--answer", name]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def _line(process: Any) -> str:
    line = process.stdout.readline()
    if not line:
        sys.exit(f"{process.args[-1]} ended with {process.wait()}")
    return str(line).strip()
