"""How much memory each process takes while a large table passes through the real daemon.

    python bench/memory.py --format csv --rows 1000000 --tasks shouting

The task shouting is examples/plugins/shouting (install it first); any installed tasks do. Prints a Markdown table
with a row for each process: its largest resident size, and its resident size a tenth, half and nine tenths of the way
through, which should be alike.
"""

import argparse
import csv
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLASSIFYD = Path(sys.executable).with_name("classifyd")
PROSE = (
    "please call me about the invoice from Berlin before Friday and bring Maria the new contract of Siemens win a free"
    " prize now meeting moved to Paris because trains are late again bank market team final score phone update"
)
WORDS = PROSE.split()
SAMPLE_SECONDS = 0.25


@dataclass(slots=True)
class Process:
    """What was seen of one process: its kind, and its resident size in bytes over time."""

    kind: str
    sizes: list[tuple[float, int]] = field(default_factory=list)
    peak: int = 0

    def at(self, moment: float) -> str:
        """The resident size at a moment, in MB; a dash if the process was not there."""
        seen = [size for when, size in self.sizes if abs(when - moment) < 4 * SAMPLE_SECONDS]
        return f"{seen[len(seen) // 2] / 1e6:.0f}" if seen else "-"


def main() -> None:
    """Generate the table, let it pass through, print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--words", type=int, default=18, help="the longest text has so many")
    parser.add_argument("--format", choices=["csv", "jsonl"], default="csv")
    parser.add_argument("--tasks", default="shouting", help="separated by commas")
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--workers", type=int, default=0, help="0: one per core")
    parser.add_argument("--folder", type=Path, help="where to work; by default a temporary folder")
    parser.add_argument("--limit-seconds", type=float, default=3600)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="classifyd-memory-", dir=options.folder))
    try:
        measure(folder, options)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, options: argparse.Namespace) -> None:
    table = folder / f"table.{options.format}"
    generate(table, options.rows, options.words)
    configure(folder, options)
    log = (folder / "log").open("wb")
    daemon = subprocess.Popen([CLASSIFYD, "run", "--config", folder / "config.toml"], stdout=log, stderr=log)
    try:
        time.sleep(5)  # models load and the idle daemon is seen too
        size = table.stat().st_size
        began = time.monotonic()
        table.rename(folder / "inbox" / table.name)
        output = folder / "output" / f"{table.name}.jsonl"
        processes = watch(daemon, output, began + options.limit_seconds, folder / "log")
        seconds = time.monotonic() - began
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)
    report(processes, began, seconds, f"{options.format}, {size / 1e6:.1f} MB", options)
    check(output, options.rows)


def generate(path: Path, rows: int, words: int) -> None:
    """Rows of 3 words and more, the same on every machine."""
    chance = random.Random(42)
    texts = (" ".join(chance.choices(WORDS, k=chance.randint(3, words))) for _ in range(rows))
    with path.open("w", newline="") as stream:
        if path.suffix == ".csv":
            table = csv.writer(stream)
            table.writerow(["id", "text"])
            table.writerows(enumerate(texts))
        else:
            stream.writelines(json.dumps({"id": place, "text": text}) + "\n" for place, text in enumerate(texts))


def configure(folder: Path, options: argparse.Namespace) -> None:
    (folder / "inbox").mkdir()
    settings = f"""
[daemon]
state = "state"
workers = {options.workers}

[models]
path = "{options.models.resolve()}"

[[inbox]]
name = "bench"
path = "inbox"
output = "output"
done = "done"
quarantine = "quarantine"
tasks = {json.dumps(options.tasks.split(","))}
"""
    (folder / "config.toml").write_text(settings)


def watch(daemon: subprocess.Popen[bytes], output: Path, deadline: float, log: Path) -> dict[int, Process]:
    """Sample every process of the daemon until the output is there."""
    processes: dict[int, Process] = {}
    while not output.exists():
        if daemon.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"the daemon died or took too long:\n{log.read_text()[-3000:]}")
        for pid, kind in family(daemon.pid):
            sample(processes.setdefault(pid, Process(kind)), pid)
        time.sleep(SAMPLE_SECONDS)
    return processes


def family(root: int) -> Iterator[tuple[int, str]]:
    """The daemon and its children, told apart by their command lines."""
    yield root, "daemon"
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            command = (path / "cmdline").read_text()
        except (OSError, IndexError):
            continue  # it ended while we looked
        if parent == root:
            yield int(path.name), "resource tracker" if "resource_tracker" in command else "worker"


def sample(process: Process, pid: int) -> None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    if kilobytes:
        process.sizes.append((time.monotonic(), kilobytes["VmRSS"] * 1024))
        process.peak = max(process.peak, kilobytes["VmHWM"] * 1024)


def report(processes: dict[int, Process], began: float, seconds: float, what: str, options: argparse.Namespace) -> None:
    rate = options.rows / seconds
    print(f"{options.rows} rows ({what}), tasks {options.tasks}: {seconds:.0f} s, {rate:.0f} rows/s\n")
    print("| process | largest RSS, MB | at 10 % | at 50 % | at 90 % |\n|---|---|---|---|---|")
    for process in processes.values():
        moments = (process.at(began + share * seconds) for share in (0.1, 0.5, 0.9))
        print(f"| {process.kind} | {process.peak / 1e6:.0f} | " + " | ".join(moments) + " |")


def check(output: Path, rows: int) -> None:
    """Every row has come out, in order, without an error."""
    with output.open() as stream:
        for expected, line in enumerate(stream):
            answer = json.loads(line)
            if answer["index"] != expected or answer["errors"]:
                sys.exit(f"row {expected} came out as {line[:300]}")
    if expected + 1 != rows:
        sys.exit(f"{rows} rows went in, {expected + 1} came out")


if __name__ == "__main__":
    main()
