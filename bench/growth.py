"""How the cost of a record grows with their number, and what it costs to have each in a file of its own.

    python bench/growth.py [--texts messages] [--tasks spam] [--sizes 1000 10000 100000] [--files 10000]

A real daemon answers tables (JSONL) of ever more of the same texts; then, in turns, the same texts in one table and in
small files. Prints two Markdown tables: microseconds for each record, and what share of the table's speed files reach.
"""

import argparse
import itertools
import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import material
from serving import Serving, serving

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", default="messages", help="messages, news, names, or a JSONL file, FILE[:SOURCE]")
    parser.add_argument("--tasks", nargs="+", default=["spam"])
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    texts = material.texts(options.texts, 1_000)
    with tempfile.TemporaryDirectory(prefix="classifyd-growth-") as name:
        folder = Path(name)
        with serving(options.tasks, options.models, folder) as daemon:
            daemon.answer([table(folder, texts, 1_000)])  # warms up
            if options.sizes:
                grow(daemon, texts, folder, options)
            if options.files:
                scatter(daemon, texts, folder, options)


def grow(daemon: Serving, texts: Sequence[str], folder: Path, options: argparse.Namespace) -> None:
    """Tables of each size in turns, the small ones as often as their times are to be believed."""
    found: dict[int, list[float]] = {size: [] for size in options.sizes}
    for _ in range(options.rounds):
        for size, took in found.items():
            took.append(daemon.answer([table(folder, texts, size)]) / size)
    print(f"tasks {', '.join(options.tasks)}, {options.rounds} rounds\n")
    print("| records in one table | microseconds for each | least to most |\n|--:|--:|---|")
    for size, took in found.items():
        each = [seconds * 1e6 for seconds in took]
        print(f"| {size:,} | {statistics.median(each):.0f} | {min(each):.0f} to {max(each):.0f} |")


def scatter(daemon: Serving, texts: Sequence[str], folder: Path, options: argparse.Namespace) -> None:
    """The same texts in one table and in files."""
    count, pairs = options.files, []
    for number in range(options.rounds):
        together = daemon.answer([table(folder, texts, count)])
        apart = daemon.answer(files(folder / f"files-{number}", texts, count))
        pairs.append((together, apart))
    whole, single = (statistics.median(took) for took in zip(*pairs, strict=True))
    share = statistics.median(together / apart for together, apart in pairs)
    print(f"\n| {count:,} texts | |\n|---|--:|\n| one table, records/s | {count / whole:.0f} |")
    print(f"| a file each, files/s | {count / single:.0f} |")
    print(f"| files against the table, median of {options.rounds} | {share:.2f} |")


def table(folder: Path, texts: Sequence[str], size: int) -> Path:
    """Texts as lines of JSON, again and again from the first."""
    path = folder / f"table-{size}.jsonl"
    with path.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps({"text": text}) + "\n" for text in again(texts, size))
    return path


def files(folder: Path, texts: Sequence[str], size: int) -> list[Path]:
    """Texts as files of one message each."""
    folder.mkdir()
    paths = [folder / f"{number}.txt" for number in range(size)]
    for path, text in zip(paths, again(texts, size), strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def again(texts: Sequence[str], size: int) -> Iterator[str]:
    """So many texts, each with its number, so that no two are the same."""
    return (f"{text} {number}" for number, text in enumerate(itertools.islice(itertools.cycle(texts), size)))


if __name__ == "__main__":
    main()
