"""Contenders that take turns: each a process that loads once, and then does all its work for each line that it reads.

One round asks every contender in turn, so that whatever else the machine does falls on all of them alike.
"""

import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

READY = "ready "


def serve(work: Callable[[], object], settled: str = "", helpers: Sequence[int] = ()) -> None:
    """Be a contender: say that it is ready, and with what settings, then work once for each line, and tell its cost.

    `helpers` are processes that work for it, and count as it does.
    """
    print(f"{READY}{settled}", flush=True)
    for _ in sys.stdin:
        began, spent = time.perf_counter(), processor_seconds(helpers)
        work()
        took = {"seconds": time.perf_counter() - began, "processor": processor_seconds(helpers) - spent}
        took["peak"] = sum(peak_bytes(process) for process in ("self", *helpers))
        print(json.dumps(took), flush=True)


def peak_bytes(process: int | str = "self") -> float:
    """The most memory that a process had; getrusage tells its parent's where that had more."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def processor_seconds(helpers: Sequence[int] = ()) -> float:
    """Of this process, of those of its children that have ended, and of some that have not."""
    own = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own + sum(_ticks(process) for process in helpers) / os.sysconf("SC_CLK_TCK")


def _ticks(process: int) -> int:
    """Time in user mode and in the kernel, by proc(5)."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@dataclass(slots=True)
class Taken:
    """What a contender settled before it was measured, and what each round took it."""

    settled: str = ""
    rounds: list[dict[str, float]] = field(default_factory=list)


def rounds(names: Sequence[str], count: int) -> dict[str, list[dict[str, float]]]:
    """Run the same command with `--answer NAME` for each contender; what each took, round by round."""
    commands = {name: [sys.executable, *sys.argv, "--answer", name] for name in names}
    return {name: taken.rounds for name, taken in take(commands, count).items()}


def take(commands: Mapping[str, Sequence[str]], count: int) -> dict[str, Taken]:
    """Run a command for each contender; what each settled and took. Each is ready before the next one begins.

    Those that end before they are ready are told of and left out.
    """
    running: dict[str, Any] = {}
    found: dict[str, Taken] = {}
    for name, command in commands.items():
        running[name] = _start(command)
        while (line := running[name].stdout.readline()) and not line.startswith(READY):
            pass
        if line:
            found[name] = Taken(line.removeprefix(READY).strip())
        else:
            _end(process := running.pop(name))
            print(f"{name} ended with {process.returncode} before it was ready", file=sys.stderr)
    for _ in range(count):
        for name, process in running.items():
            process.stdin.write("go\n")
            process.stdin.flush()
            found[name].rounds.append(json.loads(_line(process)))
    for process in running.values():
        _end(process)
    return found


def ratios(peer: Sequence[dict[str, float]], one: Sequence[dict[str, float]]) -> str:
    """How many times as fast as its peer, the median over the rounds."""
    pairs = zip(peer, one, strict=True)
    return f"{statistics.median(other['seconds'] / mine['seconds'] for other, mine in pairs):.1f}"


def _start(command: Sequence[str]) -> Any:
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def _end(process: Any) -> None:
    """Close the lines to a contender, which ends it, and wait."""
    with process, contextlib.suppress(BrokenPipeError):
        process.stdin.close()


def _line(process: Any) -> str:
    line = process.stdout.readline()
    if not line:
        sys.exit(f"{' '.join(map(str, process.args))} ended with {process.wait()}")
    return str(line).strip()
