"""What a cluster of Ray costs, how it scales in the number of records, and what it loses when nodes are killed.

    python bench/cluster.py [--tasks spam] [--records 2000] [--rounds 5] [--sizes 10000 100000] [--job-records 0]
        [--kill-seconds 30]

First a daemon with local workers and one with the engine on Ray, on the same cores, answer the same tables in turns;
then the latter answers ever larger tables. Each answers a table that is cut as small as can be, which shows how many
jobs a second one daemon gives out. Last a daemon on four nodes, processes of this machine, answers one more while a
node is killed, and another added, every so often. A task without a model (PYTHONPATH=tests/path/plugin, --tasks
shouting) shows what classifyd and Ray themselves cost. Prints Markdown tables.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import material
from growth import table
from serving import Serving, serving

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests" / "path"))

from clusters import ENVIRONMENT, Nodes, begun, section  # noqa: E402  # Ray's test cluster, as the tests have it

SMALLEST = {"CLASSIFYD_DAEMON__SPLIT_SECONDS": "0.000001"}
"""Has a table cut into ranges of 8 KiB, which are the least."""
RAY = """
[workers]
engine = "ray"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", default="messages", help="messages, news, names, or a JSONL file, FILE[:SOURCE]")
    parser.add_argument("--tasks", nargs="+", default=["spam"])
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--records", type=int, default=2_000, help="of a table that both engines answer; 0: none")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--job-records", type=int, default=0, help="of a table that is cut into the smallest ranges")
    parser.add_argument("--kill-seconds", type=float, default=30.0, help="0: kill nothing")
    parser.add_argument("--killed-records", type=int, default=100_000, help="of the table meanwhile")
    options = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    texts = material.texts(options.texts, 1_000)
    with tempfile.TemporaryDirectory(prefix="classifyd-cluster-") as name:
        folder = Path(name)
        if options.records or options.sizes:
            with serving(options.tasks, options.models, folder, RAY) as there:
                there.answer([table(folder, texts, 1_000)])
                compare(there, texts, folder, options)
                grow(there, texts, folder, options)
        if options.job_records:
            give_out(texts, folder, options)
        if options.kill_seconds:
            kill(texts, folder, options)


def compare(there: Serving, texts: Sequence[str], folder: Path, options: argparse.Namespace) -> None:
    """The same tables in turns."""
    if not options.records:
        return
    pairs = []
    with serving(options.tasks, options.models, folder) as here:
        here.answer([table(folder, texts, 1_000)])
        for number in range(options.rounds):
            turns = [here, there] if number % 2 else [there, here]
            took = {one: one.answer([table(folder, texts, options.records)]) for one in turns}
            pairs.append((took[here], took[there]))
    local, remote = (statistics.median(took) for took in zip(*pairs, strict=True))
    ratios = sorted(one / other for one, other in pairs)
    print(f"tasks {', '.join(options.tasks)}, tables of {options.records:,} records, {options.rounds} rounds\n")
    print("| local, records/s | on Ray, records/s | Ray against local, median of pairs | least to most |")
    print("|--:|--:|--:|---|")
    shares = f"{statistics.median(ratios):.2f} | {ratios[0]:.2f} to {ratios[-1]:.2f}"
    print(f"| {options.records / local:.0f} | {options.records / remote:.0f} | {shares} |\n", flush=True)


def grow(there: Serving, texts: Sequence[str], folder: Path, options: argparse.Namespace) -> None:
    """Ever larger tables, in turns."""
    if not options.sizes:
        return
    found: dict[int, list[tuple[float, float]]] = {size: [] for size in options.sizes}
    for _ in range(options.rounds):
        for size, each in found.items():
            source, before = table(folder, texts, size), there.processor_seconds()
            took = there.answer([source])
            each.append((took / size * 1e6, (there.processor_seconds() - before) / size * 1e6))
    print(f"{options.rounds} rounds, microseconds for each record\n")
    print("| records in one table, on Ray | by the clock | least to most | processor time | least to most |")
    print("|--:|--:|---|--:|---|")
    for size, each in found.items():
        cells = " | ".join(
            f"{statistics.median(kind):.0f} | {min(kind):.0f} to {max(kind):.0f}" for kind in zip(*each, strict=True)
        )
        print(f"| {size:,} | {cells} |", flush=True)


def give_out(texts: Sequence[str], folder: Path, options: argparse.Namespace) -> None:
    """A table in ranges so small that giving out their jobs is what takes the time."""
    print("\n| workers | jobs | jobs a second, with cutting and assembly | processor ms of the daemon's own for each |")
    print("|---|--:|--:|--:|")
    for name, engine in (("local", ""), ("on Ray", RAY)):
        with serving(options.tasks, options.models, folder, engine, environment=SMALLEST) as daemon:
            daemon.answer([table(folder, texts, 1_000)])
            source, before = table(folder, texts, options.job_records), daemon.own_seconds()
            took = daemon.answer([source])
            own = daemon.own_seconds() - before
            lines = (daemon.folder / "log").read_text().splitlines()
        jobs = [json.loads(line)["splits"] for line in lines if '"event": "cut"' in line][-1]
        print(f"| {name} | {jobs:,} | {jobs / took:.0f} | {own / jobs * 1000:.1f} |", flush=True)


def kill(texts: Sequence[str], folder: Path, options: argparse.Namespace) -> None:
    """One of four nodes goes every so often."""
    kept = folder / "kept"
    with (
        begun(4, dict(os.environ), folder / "cluster.log") as nodes,
        serving(options.tasks, options.models, folder, section(nodes.address)) as daemon,
    ):
        killer = Killer(nodes, options.kill_seconds)
        source = table(folder, texts, options.killed_records)
        daemon.answer([table(folder, texts, 1_000)])
        killer.start()
        took = daemon.answer([source], kept)
        killer.over.set()
        killer.join()
        lost = (daemon.folder / "log").read_text().count('"event": "worker_died"')
    records = [json.loads(line) for line in kept.read_text().splitlines()]
    whole = [record["index"] for record in records] == list(range(options.killed_records))
    errors = sum(bool(record["errors"]) for record in records)
    print(
        f"\n| nodes killed, of 4, in {took:.0f} s | jobs lost and done again | records | in order, once each | errors |"
    )
    print("|--:|--:|--:|---|--:|")
    print(f"| {killer.killed} | {lost} | {len(records):,} of {options.killed_records:,} | {whole} | {errors} |")


class Killer(threading.Thread):
    """Kills one of the nodes every so often, and adds another."""

    def __init__(self, nodes: Nodes, seconds: float) -> None:
        super().__init__(daemon=True)
        self.nodes = nodes
        self.seconds = seconds
        self.killed = 0
        self.over = threading.Event()

    def run(self) -> None:
        dice = random.Random(1)
        began = time.monotonic()
        while not self.over.wait(max(0.0, began + (self.killed + 1) * self.seconds - time.monotonic())):
            self.nodes.kill(dice.choice(self.nodes.nodes))
            self.killed += 1
            self.nodes.add()


if __name__ == "__main__":
    main()
