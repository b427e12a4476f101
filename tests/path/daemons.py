"""Real daemons for tests: a folder with a configuration, processes to start, kill and wait for, and what came out."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator
from nursery import INTERPRETER, Forked, fits, nursery

Process = subprocess.Popen[bytes] | Forked
SCHEMAS = Path(__file__).parents[2] / "docs/schemas"

CONFIG = """
[daemon]
state = "state"
scan_seconds = 0.5
settle_seconds = 0.2
workers = {workers}
load_seconds = {load_seconds}
split_seconds = {split_seconds}
log_format = "json"
{daemon}

[http]
listen = {listen}

[models]
path = "models"

{inboxes}
"""

INBOX = """
[[inbox]]
name = "in"
path = "in"
tasks = {tasks}
output = "out"
{done}
quarantine = "quarantine"
{more}
"""


@cache
def schema(name: str) -> Draft202012Validator:
    """What checks documents by one of the published schemas."""
    return Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text()))


def inbox(tasks: str, done: str | None = "done", more: str = "") -> str:
    """The section of an inbox."""
    return INBOX.format(tasks=tasks, done=f'done = "{done}"' if done else "", more=more)


@dataclass
class Place:
    """A folder in which daemons run one after the other."""

    root: Path
    processes: list[Process] = field(default_factory=list)

    @classmethod
    def make(  # a test says only what it is about
        cls,
        root: Path,
        *,
        tasks: tuple[str, ...] = ("shouting",),
        done: str | None = "done",
        workers: int = 1,
        load_seconds: float = 30,
        split_seconds: float = 1.0,
        daemon: str = "",
        more: str = "",
        inboxes: str | None = None,
        listen: str = "",
    ) -> "Place":
        place = cls(root)
        if inboxes is None:
            inboxes = inbox(tasks=json.dumps(list(tasks)), done=done, more=more)
        text = CONFIG.format(
            workers=workers,
            load_seconds=load_seconds,
            split_seconds=split_seconds,
            daemon=daemon,
            inboxes=inboxes,
            listen=json.dumps(listen),
        )
        (root / "in").mkdir(exist_ok=True)
        (root / "models").mkdir(exist_ok=True)
        (root / "config.toml").write_text(text)
        return place

    # ------------------------------------------------------------------ daemons

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        # Where several runtimes are installed, each new version would be measured in all of them first.
        runtimes = {f"CLASSIFYD_TASKS__{task}__RUNTIME": "onnxruntime" for task in ("SPAM", "TOPIC", "NER")}
        return {**os.environ, **INTERPRETER, **runtimes, **(more or {})}

    def start(self, *arguments: str, more: Mapping[str, str] | None = None, forked: bool = True) -> Process:
        """Start `classifyd run` in a session of its own, forked where that is all the same."""
        command = ["run", "--config", str(self.root / "config.toml"), *arguments]
        environment, log = self.environment(more), self.root / "log"
        if forked and fits(environment):
            process = nursery().start(command, self.root, environment, log)
        else:
            process = self._spawn(command, environment, log)
        self.processes.append(process)
        return process

    def _spawn(self, command: Sequence[str], environment: Mapping[str, str], output: Path) -> subprocess.Popen[bytes]:
        with output.open("ab") as log:
            return subprocess.Popen(
                [Path(sys.executable).with_name("classifyd"), *command],
                stdout=log,
                stderr=log,
                cwd=self.root,
                env=environment,
                start_new_session=True,
            )

    def once(self, *, timeout: float = 120, more: Mapping[str, str] | None = None) -> int:
        """Run `classifyd run --once` to its end; its exit code."""
        return self.start("--once", more=more).wait(timeout)

    def stop(self, process: Process, *, timeout: float = 60) -> int:
        """Ask a daemon to end; its exit code."""
        process.terminate()
        return process.wait(timeout)

    def kill_everything(self, process: Process) -> None:
        """kill -9 the daemon and every process below it, at once."""
        for pid in (process.pid, *descendants(process.pid)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                self.kill_everything(process)

    # ------------------------------------------------------------------ files

    def drop(self, name: str, content: str | bytes, inbox: str = "in") -> Path:
        """Put a file into the inbox the way careful senders do: written beside, then renamed."""
        path = self.root / inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(".draft")
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
        draft.rename(path)
        return path

    def records(self, name: str, folder: str = "out") -> list[dict]:
        """The records of one output, each as the published schema has it."""
        found = [json.loads(line) for line in (self.root / folder / name).read_text().splitlines()]
        for record in found:
            schema("record").validate(record)
        return found

    def files(self, folder: str) -> set[str]:
        """The files below a folder, our own hidden ones left out."""
        root = self.root / folder
        found = (path.relative_to(root) for path in walked(root) if path.is_file() or path.is_symlink())
        return {str(path) for path in found if not path.parts[0].startswith(".")}

    def claimed(self, inbox: str = "in") -> list[Path]:
        """The inputs that lie in the claim folder."""
        found = walked(self.root / inbox / ".classifyd")
        return [path for path in found if path.is_file() and path.suffix != ".lock" and path.name != ".intent"]

    def reason(self, name: str) -> dict:
        """Why a file is in quarantine, as the published schema has it."""
        found = json.loads((self.root / "quarantine" / f"{name}.reason.json").read_text())
        schema("reason").validate(found)
        return found

    def log(self) -> str:
        log = self.root / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def starts(self) -> int:
        """How often a daemon has got ready here."""
        return self.log().count('"event": "started"')


def wait_until(holds: Callable[[], object], seconds: float = 60, place: Place | None = None) -> None:
    """Wait until something holds; else fail, with the daemon's log."""
    begun = time.monotonic()
    end = begun + seconds
    while not holds():
        dead = place is not None and place.processes[-1].poll() is not None
        late = time.monotonic() >= end
        if (dead or late) and not holds():
            why = "the daemon has ended" if dead else f"did not come true in {seconds} s"
            raise AssertionError(f"{why}\n{place.log() if place else ''}")
        time.sleep(0.02 if time.monotonic() < begun + 1 else 0.05)  # looking takes time from what is waited for


def walked(root: Path) -> list[Path]:
    """Everything below a folder but folders; what disappears meanwhile, as claims do, is passed over."""
    return [Path(folder, name) for folder, _, names in os.walk(root) for name in names]


def descendants(pid: int) -> list[int]:
    """The processes below one, children first; what ends meanwhile, as commands of receivers do, has none."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in children.read_text().split():
                found += [int(child), *descendants(int(child))]
    return found
