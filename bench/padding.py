"""What padding to fewer or more lengths costs: the same texts through ONNX Runtime with each multiple, in turns.

    python bench/padding.py --texts FILE[:SOURCE] [--bundle models/spam/4] [--count 500] [--rounds 4]

One thread, processor time of the model's runs alone, batches as they serve. Prints a Markdown table of medians.
"""

import argparse
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import material
from classifyd.bundles import Store
from classifyd_bert.microbatch import plan
from classifyd_bert.session import Session
from classifyd_bert.tokens import Tokenizer, Window, pad

ROOT = Path(__file__).parents[1]
MULTIPLES = (16, 8, 4, 2, 1)


def main() -> None:
    """Measure each, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", default="messages", help="messages, news, names, or a JSONL file, FILE[:SOURCE]")
    parser.add_argument("--bundle", type=Path, default=ROOT / "models/spam/4")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    bundle = Store(options.bundle.parents[1]).open(options.bundle.parent.name, int(options.bundle.name))
    session = Session(bundle.read("model.onnx"), threads=1)
    texts = material.texts(options.texts, options.count)
    windows = {
        multiple: tokenizer(bundle.read("tokenizer.json"), bundle.manifest, multiple).windows(texts)
        for multiple in MULTIPLES
    }
    costs: dict[int, list[float]] = {multiple: [] for multiple in MULTIPLES}
    for _ in range(options.rounds):
        for multiple, found in costs.items():
            found.append(passed(session, windows[multiple]))
    tokens = sum(len(window.ids) for window in windows[1])
    print(f"{len(texts):,} texts, {tokens:,} tokens, median of {options.rounds} rounds\n")
    print("| multiple | batches | thousand tokens/s | times as fast as with 16 |\n|--:|--:|--:|--:|")
    medians = {multiple: statistics.median(found) for multiple, found in costs.items()}
    for multiple, seconds in medians.items():
        count = len(plan([window.padded for window in windows[multiple]]))
        print(f"| {multiple} | {count} | {tokens / seconds / 1000:.1f} | {medians[16] / seconds:.2f} |")


def tokenizer(data: bytes, manifest: Mapping[str, Any], multiple: int) -> Tokenizer:
    """A bundle's tokenizer, as it serves but for the padding."""
    capitals = bool(manifest.get("capitals"))
    return Tokenizer(data, manifest["max_length"], manifest["stride"], capitals=capitals, pad_multiple=multiple)


def passed(session: Session, windows: Sequence[Window]) -> float:
    """Processor seconds of the model for all windows."""
    batches = [pad([windows[place] for place in batch], 0) for batch in plan([window.padded for window in windows])]
    began = time.process_time()
    for batch in batches:
        session.run(batch)
    return time.process_time() - began


if __name__ == "__main__":
    main()
