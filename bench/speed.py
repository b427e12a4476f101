"""How fast one model answers in classifyd and elsewhere: the same texts, weights and cores, taken in turns.

    python bench/speed.py [--checkpoint DIR --bundle DIR] [--texts messages] [--count 1000] [--rounds 5] [--plot FILE]

Each contender (contenders.py) is a process of its own that loads, settles and warms up once, and then answers all texts
in each round, one contender after the other. Prints a Markdown table: thousands of real tokens a second (padding never
counts), the spread over the rounds, processor seconds for a million tokens, the ratio to transformers.pipeline as it
comes, and memory. `--checkpoint` is the tuned model in PyTorch, `--bundle` the one that classifyd made of it; see
material.py for what is taken without, and for texts. Contenders whose environment is not there are left out;
`make bench-peers` makes all of them.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import tokenizers

import chart
import contenders
import material
import turns
from classifyd.bundles import Store
from forms import LONGEST

ROOT = Path(__file__).parents[1]
FORMS = (("onnx", Path(sys.executable)), ("nncf", ROOT / contenders.PEERS / "bin/python"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--bundle", type=Path, help="by default the spam model that is shipped")
    parser.add_argument("--texts", default="messages")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(contenders.CONTENDERS))
    parser.add_argument("--plot", type=Path, help="an SVG or PNG of the table")
    options = parser.parse_args()
    if options.bundle is None:
        store = Store(ROOT / "models")
        options.bundle = store.folder("spam", store.current("spam") or 1)
    with tempfile.TemporaryDirectory(prefix="classifyd-speed-") as folder:
        compare(options, Path(folder))


def compare(options: argparse.Namespace, folder: Path) -> None:
    """All contenders in turns, and the table."""
    checkpoint = folder / "checkpoint"
    # A copy: the forms that others make of it go beside the weights.
    shutil.copytree(options.checkpoint or material.checkpoint("spam", folder / "made"), checkpoint)
    tokenizer = tokenizers.Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    tokenizer.no_truncation()  # training leaves it on, and every text would seem short
    tokenizer.no_padding()
    texts = chosen_texts(tokenizer, options)
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    for form, python in FORMS:
        if python.exists():
            command = [python, ROOT / "bench/forms.py", form, checkpoint, folder / "texts.json"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    given = ["--checkpoint", checkpoint, "--bundle", options.bundle.resolve(), "--texts", folder / "texts.json"]
    commands = {
        name: [python, ROOT / "bench/contenders.py", name, *given, "--threads", str(options.threads)]
        for name in options.only
        if (python := interpreter(contenders.CONTENDERS[name].environment)).exists() and not lacks(name, checkpoint)
    }
    tokens = sum(len(tokenizer.encode(text).ids) for text in texts)
    taken = turns.take(commands, options.rounds)
    print(f"{len(texts):,} texts, {tokens:,} tokens, {options.rounds} rounds, {options.threads} threads\n")
    print(*table(taken, tokens), sep="\n")
    if left_out := [name for name in options.only if name not in taken]:
        print(f"\nLeft out, for they or their environments are not there: {', '.join(left_out)}.")
    if options.plot:
        chart.draw({name: speeds(one, tokens) for name, one in taken.items()}, options.plot)


def interpreter(environment: str) -> Path:
    """The Python of a contender's environment."""
    return Path(sys.executable) if environment == ".venv-test" else ROOT / environment / "bin/python"


def lacks(name: str, checkpoint: Path) -> bool:
    """Whether a contender's form could not be made."""
    return "NNCF" in name and not (checkpoint / contenders.NNCF).exists()


def chosen_texts(tokenizer: tokenizers.Tokenizer, options: argparse.Namespace) -> list[str]:
    """Texts that one window holds, spread evenly over the file: no contender but classifyd reads longer ones whole."""
    all_of_it = material.texts(options.texts, sys.maxsize)
    short = [text for text in all_of_it if len(tokenizer.encode(text).ids) <= LONGEST]
    return short[:: max(1, len(short) // options.count)][: options.count]


def speeds(taken: turns.Taken, tokens: int) -> list[float]:
    """Thousands of real tokens a second, round by round."""
    return [tokens / one["seconds"] / 1000 for one in taken.rounds]


def table(taken: dict[str, turns.Taken], tokens: int) -> list[str]:
    """A line for each contender; ratios are to the first."""
    lines = [
        "| | thousand tokens/s | least to most | processor seconds per million tokens | ratio | memory, MB |",
        "|---|--:|---|--:|--:|--:|",
    ]
    first = next(iter(taken.values())).rounds
    for name, one in taken.items():
        found = speeds(one, tokens)
        called = f"{name}, {one.settled}" if one.settled else name
        processor = statistics.median(each["processor"] for each in one.rounds) / tokens * 1e6
        lines.append(
            f"| {called} | {statistics.median(found):.1f} | {min(found):.1f} to {max(found):.1f} | {processor:.0f} | "
            f"{turns.ratios(first, one.rounds)} | {max(each['peak'] for each in one.rounds) / 1e6:.0f} |"
        )
    return lines


if __name__ == "__main__":
    main()
