"""Start the real daemon, drop examples/messages into its inboxes, show what comes out, stop it.

    python examples/demo.py DIR

Makes DIR with `classifyd init`; exits 1, saying why, if a message is not answered as it should be.
"""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from classifyd.config import Config, InboxConfig, load

MESSAGES = Path(__file__).with_name("messages")
CLASSIFYD = Path(sys.executable).with_name("classifyd")
INBOXES = {".eml": "mail", ".mbox": "mail", ".csv": "tables"}
BROKEN = {"half.jsonl.gz"}
WAIT_SECONDS = 300.0
STOP_SECONDS = 60.0

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A message in an inbox and the two places where it can turn up."""

    name: str
    inbox: InboxConfig

    @property
    def output(self) -> Path:
        """A table is answered in kind, everything else with JSON lines."""
        in_kind = self.inbox.format == "same" and self.name.endswith(".csv")
        return self.inbox.output / (self.name if in_kind else f"{self.name}.jsonl")

    @property
    def reason(self) -> Path:
        return self.inbox.quarantine / f"{self.name}.reason.json"

    @property
    def settled(self) -> bool:
        return self.output.exists() or self.reason.exists()


def main() -> None:
    """Run the demo in the folder that the command line names."""
    console = Console(width=140 if not sys.stdout.isatty() else None)
    folder = Path(sys.argv[1]).resolve()
    config = prepare(folder)
    with daemon(config, folder / "daemon.log") as process:
        dropped = drop(config)
        console.print(f"The daemon (process {process.pid}) has {len(dropped)} files to label ...")
        wait(dropped, process, folder / "daemon.log")
    show(console, dropped)
    complain(dropped)
    console.print(f"The daemon has stopped. Its folders are in {folder}, its log is daemon.log there.")


def prepare(folder: Path) -> Config:
    """The configuration of a new demo folder; an earlier demo's is removed."""
    marker = folder / ".demo"
    if marker.exists():
        shutil.rmtree(folder)
    subprocess.run([CLASSIFYD, "init", folder], check=True, stdout=subprocess.DEVNULL)
    marker.touch()
    return load(folder / "config.toml", {})


@contextmanager
def daemon(config: Config, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A running `classifyd run`, ended by SIGTERM; exits the demo if it does not end in order."""
    with log.open("wb") as stream:
        command = [str(CLASSIFYD), "run", "--config", str(config.file)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            fail(f"the daemon did not stop within {STOP_SECONDS:.0f} s of SIGTERM", log)
    if code != 0:
        fail(f"the daemon ended with exit code {code}", log)


def drop(config: Config) -> list[Dropped]:
    """Copy every message into an inbox, each under a hidden name until it is whole."""
    paths = sorted(path for path in MESSAGES.iterdir() if path.name != "ATTRIBUTION.md")
    return [put(path, inbox_for(path, config)) for path in paths]


def inbox_for(path: Path, config: Config) -> InboxConfig:
    """The inbox that config.toml has for this kind of file."""
    kind = INBOXES.get(path.suffix, "messages")
    return next(inbox for inbox in config.inboxes if inbox.name == kind)


def put(path: Path, inbox: InboxConfig) -> Dropped:
    hidden = inbox.path / f".{path.name}"
    shutil.copyfile(path, hidden)
    hidden.rename(inbox.path / path.name)
    return Dropped(path.name, inbox)


def wait(dropped: list[Dropped], process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once every message is answered or quarantined."""
    deadline = time.monotonic() + WAIT_SECONDS
    while waiting := [item.name for item in dropped if not item.settled]:
        if process.poll() is not None:
            fail(f"the daemon died with exit code {process.returncode}", log)
        if time.monotonic() > deadline:
            fail(f"no answer within {WAIT_SECONDS:.0f} s for {', '.join(waiting)}", log)
        time.sleep(0.2)


def fail(why: str, log: Path) -> None:
    """Exit 1 with the end of the daemon's log."""
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    sys.exit(f"demo: {why}; the end of {log}:\n{tail}")


def show(console: Console, dropped: list[Dropped]) -> None:
    """Print what came out and what was quarantined."""
    table = Table("file", "records", "spam", "topic", "entities", "review", title="Labelled")
    for item in dropped:
        if item.output.exists():
            table.add_row(item.name, *summary(read(item.output)))
    console.print(table)
    bad = Table("file", "why", title="Quarantined")
    for item in dropped:
        if item.reason.exists():
            bad.add_row(item.name, json.loads(item.reason.read_text())["reason"])
    console.print(bad)
    places = [item.inbox.quarantine if item.reason.exists() else item.inbox.output for item in dropped]
    for place in sorted(set(places)):
        console.print(f"In {place}", soft_wrap=True, highlight=False)


def read(output: Path) -> list[Answer]:
    """The records of an output."""
    if output.suffix == ".csv":
        with output.open(newline="") as stream:
            return [from_row(row) for row in csv.DictReader(stream)]
    return [json.loads(line) for line in output.read_text().splitlines()]


def from_row(row: Mapping[str, str]) -> Answer:
    """What a row of a table says, in the shape of a JSON line."""
    said: dict[str, Any] = {
        task: {
            "label": row[f"{task}_label"],
            "score": float(row[f"{task}_score"]),
            "review": row[f"{task}_review"] == "true",
        }
        for task in ("spam", "topic")
    }
    said["ner"] = {"spans": json.loads(row["ner_spans"])}
    return {"id": row["id"], "annotations": said, "errors": row["classifyd_error"]}


def summary(answers: list[Answer]) -> tuple[str, str, str, str, str]:
    """How many records, their labels, the commonest entities, how many need a person's look."""
    review = sum(any(said.get("review") for said in answer["annotations"].values()) for answer in answers)
    return str(len(answers)), labels(answers, "spam"), labels(answers, "topic"), entities(answers), str(review or "")


def labels(answers: list[Answer], task: str) -> str:
    """The label and score of a single record; else how often each label came out."""
    said = [answer["annotations"][task] for answer in answers if task in answer["annotations"]]
    if len(said) == 1:
        return f"{said[0]['label']} {said[0]['score']:.2f}"
    return ", ".join(f"{label} {count}" for label, count in Counter(one["label"] for one in said).most_common())


def entities(answers: list[Answer], most: int = 4) -> str:
    """The commonest entities and their kind."""
    said = [answer["annotations"].get("ner", {}).get("spans", []) for answer in answers]
    count = Counter(f"{span['text']} ({span['label']})" for spans in said for span in spans)
    more = len(count) - most
    return ", ".join(name for name, _ in count.most_common(most)) + (f" and {more} more" if more > 0 else "")


def complain(dropped: list[Dropped]) -> None:
    """Exit 1 if a good message was quarantined, the broken one was not, or a record was not labelled."""
    faults = [
        f"{item.name} was {'quarantined' if item.reason.exists() else 'answered'}"
        for item in dropped
        if item.reason.exists() != (item.name in BROKEN)
    ]
    for item in dropped:
        if item.output.exists():
            faults += [f"{answer['id']}: {answer['errors']}" for answer in read(item.output) if answer["errors"]]
    if faults:
        sys.exit("demo: not as it should be: " + "; ".join(faults))


if __name__ == "__main__":
    main()
