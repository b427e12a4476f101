"""How long small files wait while the real daemon works through a large one, and what they cost it.

    python bench/fairness.py --sms SMSSpamCollection [--megabytes 100] [--tasks spam] [--windows 3] [--seconds 60]

Texts of the SMS Spam Collection, over and over, make one JSONL; the cache of answers is off. Once it is cut up, windows
of time in which nothing else comes alternate with windows in which a file of one text is dropped every second. Prints a
Markdown table: how long the small ones took from their rename into the inbox to their output (the inbox's
settle_seconds, 1, included), and records of the large one per second with them against without, as the median of pairs
of windows. The large one need not end: the daemon is stopped after the last window.
"""

import argparse
import itertools
import json
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLASSIFYD = Path(sys.executable).with_name("classifyd")
POLL_SECONDS = 0.02
CONFIG = """
[daemon]
state = "state"
log_format = "json"
workers = {workers}

[models]
path = "{models}"

[[inbox]]
name = "in"
path = "in"
tasks = {tasks}
output = "out"
"""


def main() -> None:
    """Run the daemon, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sms", type=Path, required=True, help="label, tab, text")
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--tasks", default="spam", help="separated by commas")
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--workers", type=int, default=0, help="0: one per core")
    parser.add_argument("--windows", type=int, default=3, help="of either kind")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a window")
    parser.add_argument("--every", type=float, default=1.0, help="seconds from one small file to the next")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="classifyd-fairness-"))
    try:
        measure(folder, options)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, options: argparse.Namespace) -> None:
    """The windows, by turns."""
    tasks = options.tasks.split(",")
    config = CONFIG.format(workers=options.workers, models=options.models.resolve(), tasks=json.dumps(tasks))
    config += "".join(f'\n[tasks.{task}]\nruntime = "onnxruntime"\ncache = 0\n' for task in tasks)
    (folder / "config.toml").write_text(config)
    (folder / "in").mkdir()
    texts = [line.partition("\t")[2] for line in options.sms.read_text(encoding="utf-8").splitlines()]
    size = large_file(folder / "large.jsonl", texts, options.megabytes * 10**6)
    with (folder / "log").open("wb") as log:
        command = [CLASSIFYD, "run", "--config", folder / "config.toml"]
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(lambda: '"event": "started"' in (folder / "log").read_text(), folder)
        (folder / "large.jsonl").rename(folder / "in" / "large.jsonl")
        wait_for(lambda: done(folder) > 0, folder)
        waits, ratios, speeds = [], [], []
        small = itertools.cycle(texts)
        for _ in range(options.windows):
            without, _ = window(folder, options, None)
            within, waited = window(folder, options, small)
            ratios.append(within / without)
            speeds.append(without)
            waits += waited
    finally:
        daemon.terminate()
        daemon.wait()
    waits.sort()
    print(
        "| large file | tasks | small files | median | 99 of 100 | longest | records/s without them | with, of that |"
    )
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    print(
        f"| {size / 1e6:.0f} MB | {options.tasks} | {len(waits)} | {statistics.median(waits):.2f} s | "
        f"{waits[min(len(waits) - 1, int(len(waits) * 0.99))]:.2f} s | {waits[-1]:.2f} s | "
        f"{statistics.median(speeds):,.0f} | "
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |"
    )


def large_file(path: Path, texts: list[str], size: int) -> int:
    """A JSONL of about that size; how large it is."""
    lines = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts]
    with path.open("w", encoding="utf-8") as file:
        for line in itertools.cycle(lines):
            file.write(line)
            if file.tell() >= size:
                return file.tell()
    raise AssertionError("there are no texts")


def window(folder: Path, options: argparse.Namespace, small: Iterator[str] | None) -> tuple[float, list[float]]:
    """Records of the large file per second of a window, and how long the small files of the window took."""
    began, before = time.monotonic(), done(folder)
    pending: dict[Path, float] = {}
    waits = []
    next_drop = began if small else float("inf")
    while time.monotonic() < began + options.seconds or pending:
        now = time.monotonic()
        if next_drop <= now < began + options.seconds and small:
            pending[drop(folder, next(small))] = now
            next_drop += options.every
        there = [path for path in pending if path.exists()]
        waits += [time.monotonic() - pending.pop(path) for path in there]
        time.sleep(POLL_SECONDS)
    return (done(folder) - before) / (time.monotonic() - began), waits


def drop(folder: Path, text: str) -> Path:
    """Put a small file into the inbox; where its output will be."""
    name = f"{time.monotonic_ns()}.txt"
    (folder / name).write_text(text, encoding="utf-8")
    (folder / name).rename(folder / "in" / name)
    return folder / "out" / f"{name}.jsonl"


def done(folder: Path) -> int:
    """How many records of the large file have been labelled, by the ledger."""
    ledger = sqlite3.connect(f"file:{folder / 'state' / 'ledger.sqlite'}?mode=ro", uri=True)
    try:
        large = "SELECT parts.report FROM parts JOIN inputs USING (claim) WHERE CAST(name AS TEXT) = 'large.jsonl'"
        return sum(json.loads(report)["records"] for (report,) in ledger.execute(large))
    finally:
        ledger.close()


def wait_for(holds: Callable[[], object], folder: Path, seconds: float = 600) -> None:
    """Wait until something holds; else end, with the daemon's log."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            sys.exit((folder / "log").read_text()[-5000:])
        time.sleep(0.2)


if __name__ == "__main__":
    main()
