"""Enters what `make trials` found into docs/reliability.md: python docs/tally.py trials.xml.

`trials.xml` is pytest's own report. The last line that a trial prints tells its counts. Results are kept in
trials.json, so that a run of some trials leaves those of the others as they were.
"""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

RESULTS = Path(__file__).with_name("trials.json")
PAGE = Path(__file__).with_name("reliability.md")
BEGIN, END = "<!-- trials -->\n", "<!-- end of trials -->\n"
HEAD = "| trial | counts | result | on | commit |\n|---|---|---|---|---|\n"

Results = dict[str, dict[str, Any]]


def results(report: Path, commit: str, day: str) -> Results:
    """What pytest's report tells of each trial that ran to its end, by the test's own name."""
    found: Results = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  # pytest wrote it a moment ago
        if case.find("skipped") is not None or not case.attrib["classname"]:  # without a class: a file not even read
            continue
        failed = case.find("failure") is not None or case.find("error") is not None
        printed = (case.findtext("system-out") or "").strip().splitlines()
        found[f"{case.attrib['classname']}.{case.attrib['name']}"] = {
            "counts": printed[-1] if printed else "",
            "result": "failed" if failed else "passed",
            "seconds": round(float(case.attrib["time"])),
            "on": day,
            "commit": commit,
        }
    return found


def table(known: Results) -> str:
    """The results as Markdown."""
    return HEAD + "".join(_row(name, known[name]) for name in sorted(known))


def entered(page: str, known: Results) -> str:
    """The page with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}{table(known)}{END}{rest.partition(END)[2]}"


def _row(name: str, one: dict[str, Any]) -> str:
    took = f"{one['seconds'] / 60:.0f} min" if one["seconds"] >= 90 else f"{one['seconds']} s"
    cells = (
        _claim(name),
        "; ".join(filter(None, (one["counts"], took))),
        one["result"],
        one["on"],
        f"`{one['commit']}`",
    )
    return f"| {' | '.join(cells)} |\n"


def _claim(name: str) -> str:
    """`tests.trials.test_kills.test_nothing_is_lost[7]` as people say it."""
    words, bracket, chosen = name.rpartition(".test_")[2].partition("[")
    return words.replace("_", " ") + (f" ({chosen.removesuffix(']')})" if bracket else "")


def main() -> None:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S607
    known: Results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known |= results(Path(sys.argv[1]), commit.stdout.strip(), f"{datetime.now(UTC):%Y-%m-%d}")
    RESULTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(entered(PAGE.read_text(), known))


if __name__ == "__main__":
    main()
