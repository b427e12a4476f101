"""A real daemon to measure: started on a folder of its own, its models loaded, stopped at the end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

CLASSIFYD = Path(sys.executable).with_name("classifyd")
LOOK_SECONDS = 0.02
CONFIG = """
[daemon]
state = "state"
settle_seconds = 0

[models]
path = {models}

[[inbox]]
name = "bench"
path = "inbox"
output = "output"
done = "delete"
quarantine = "quarantine"
tasks = {tasks}
"""
UNCACHED = """
[tasks.{task}]
cache = 0
"""


class Serving:
    """A daemon that runs in `folder`, with one inbox."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]") -> None:
        self.folder = folder
        self.process = process

    def answer(self, files: Iterable[Path], kept: Path | None = None) -> float:
        """Seconds from the first of some files entering the inbox, by a rename, to the last one's answer.

        The files have to be on the same file system. Their answers are removed; the only one may be `kept`.
        """
        names = []
        began = time.monotonic()
        for path in files:
            path.rename(self.folder / "inbox" / path.name)
            names.append(f"{path.name}.jsonl")
        while sum(entry.name.endswith(".jsonl") for entry in os.scandir(self.folder / "output")) < len(names):
            self.check()
            time.sleep(LOOK_SECONDS)
        seconds = time.monotonic() - began
        if kept is not None:
            (self.folder / "output" / names.pop()).rename(kept)
        for name in names:
            (self.folder / "output" / name).unlink()
        return seconds

    def processor_seconds(self) -> float:
        """What it and all that it started have taken of processors so far, which moves less than the clock does."""
        return sum(map(ticks, tree(self.process.pid))) / os.sysconf("SC_CLK_TCK")

    def own_seconds(self) -> float:
        """The same of its process alone: no more than one a second, as its threads take turns."""
        return ticks(self.process.pid) / os.sysconf("SC_CLK_TCK")

    def check(self) -> None:
        """End with the log if the daemon ended or refused a file."""
        bad = list((self.folder / "quarantine").glob("*"))
        if self.process.poll() is not None or bad:
            sys.exit(f"the daemon ended or refused {bad[:1]}: {(self.folder / 'log').read_text()[-2000:]}")


def tree(pid: int) -> Iterator[int]:
    """A process and all below it that are there."""
    yield pid
    with suppress(FileNotFoundError, ProcessLookupError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                yield from tree(int(child))


def ticks(pid: int) -> int:
    """Processor time of a process, and of those of its children that have ended; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(map(int, fields[11:15]))


@contextmanager
def serving(
    tasks: Sequence[str],
    models: Path,
    above: Path,
    more: str = "",
    *,
    command: Sequence[str | Path] = (CLASSIFYD,),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Serving]:
    """A daemon with these tasks, in a temporary folder below `above`; `more` goes into its configuration.

    `command` may be another than `classifyd`, with more in its environment.
    """
    folder = Path(tempfile.mkdtemp(prefix="serving-", dir=above))
    for name in ("inbox", "output"):
        (folder / name).mkdir()
    chosen = {"models": json.dumps(str(models.resolve())), "tasks": json.dumps(list(tasks))}
    # What was answered in one round would be remembered in the next.
    uncached = "".join(UNCACHED.format(task=task) for task in tasks)
    (folder / "config.toml").write_text(CONFIG.format_map(chosen) + uncached + more)
    with (folder / "log").open("wb") as log:
        words = [*command, "run", "--config", folder / "config.toml"]
        process = subprocess.Popen(words, stdout=log, stderr=log, env={**os.environ, **environment})
    found = Serving(folder, process)
    try:
        while '"started"' not in (folder / "log").read_text():
            found.check()
            time.sleep(0.1)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        shutil.rmtree(folder)
