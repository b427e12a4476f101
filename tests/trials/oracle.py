"""The judge of what a daemon made of its inputs. It shares no code with the daemon and takes no word of it for true.

A `Producer` drops files and keeps a list of its own, on the disk before each drop. A `Consumer` takes each output away
the moment it appears. `account` then asks the folders what became of every input that was dropped: each must be found
exactly once, and its answer be whole, in order, and byte for byte that of a run that nothing disturbed.
"""

import csv
import hashlib
import io
import json
import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shapes import Shape, mark

CLAIMS = ".classifyd"
REASON = ".reason.json"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A line of the producer's list: what was dropped."""

    name: str
    sha256: str
    records: int


class Producer:
    """Drops files as careful senders do, under a dot-name and then renamed. `kept` has a copy of each."""

    def __init__(self, inbox: Path, folder: Path) -> None:
        self.inbox = inbox
        self.kept = folder / "kept"
        self.journal = folder / "journal"
        self.kept.mkdir(parents=True)

    def drop(self, shape: Shape) -> Dropped:
        """Drop one file; it is on the list before it can be seen."""
        dropped = Dropped(shape.name, _sha256(shape.content), shape.records)
        (self.kept / shape.name).write_bytes(shape.content)
        with self.journal.open("a") as journal:
            journal.write(json.dumps([dropped.name, dropped.sha256, dropped.records]) + "\n")
            journal.flush()
            os.fsync(journal.fileno())
        draft = self.inbox / f".{shape.name}.draft"
        draft.write_bytes(shape.content)
        draft.rename(self.inbox / shape.name)
        return dropped

    def dropped(self) -> list[Dropped]:
        """The list, read from the disk."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [Dropped(*json.loads(line)) for line in lines]


class Consumer(threading.Thread):
    """Takes each output away the moment it appears, and notes the names that come twice.

    `taken` has the sha256 of each output as it was at that moment: one that is still written to then is torn.
    """

    def __init__(self, output: Path, folder: Path) -> None:
        super().__init__(daemon=True)
        self.output = output
        self.folder = folder / "taken"
        self.taken: dict[str, str] = {}
        self.doubled: list[str] = []
        self._ending = threading.Event()
        self._one = threading.Lock()
        self.folder.mkdir(parents=True)

    def run(self) -> None:
        while not self._ending.wait(0.005):
            self.look()

    def stop(self) -> None:
        """Take what there is, and end."""
        self._ending.set()
        self.join()
        self.look()

    def look(self) -> None:
        """Take what there is."""
        with self._one:
            self._take()

    def _take(self) -> None:
        for path in list(self.output.iterdir()) if self.output.is_dir() else ():
            name = path.name
            if name.startswith(".") or not path.is_file():
                continue
            if name in self.taken:
                self.doubled.append(name)
                path.rename(self.folder / f"{name}.again-{time.monotonic_ns()}")
            else:
                path.rename(self.folder / name)
                self.taken[name] = _sha256((self.folder / name).read_bytes())


@dataclass(slots=True)
class Account:
    """Where every input is, by name, and whatever is wrong: `lost`, `doubled`, `torn`, `different` or `left` behind."""

    waiting: set[str] = field(default_factory=set)
    claimed: set[str] = field(default_factory=set)
    published: set[str] = field(default_factory=set)
    quarantined: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scene:
    """The folders of one inbox, as config.toml names them. `done` is None where finished inputs are deleted."""

    root: Path
    inbox: str = "in"
    output: str = "out"
    done: str | None = "done"
    quarantine: str = "quarantine"

    def outputs(self) -> dict[str, bytes]:
        """The outputs that lie in their folder."""
        return _contents(self.root / self.output)


def account(
    scene: Scene,
    dropped: Iterable[Dropped],
    consumer: Consumer | None = None,
    undisturbed: Mapping[str, bytes] | None = None,
) -> Account:
    """Ask the folders what became of each input. No daemon may run meanwhile, nor the consumer take anything.

    `undisturbed` are the outputs of a run of the same inputs that nothing disturbed; without them only what an output
    says of itself is judged.
    """
    found = Account()
    outputs = scene.outputs()
    if consumer is not None:
        found.faults += [f"doubled: {name} appeared again after it was taken away" for name in consumer.doubled]
        found.faults += [f"doubled: {name} appeared again" for name in consumer.taken if name in outputs]
        outputs |= _contents(consumer.folder)
        for name, digest in consumer.taken.items():
            if digest != _sha256(outputs[name]):
                found.faults.append(f"torn: {name} was written to after it had its name")
    unexplained = set(outputs)
    for one in dropped:
        name = _answer(one.name)
        _place(scene, one, name in outputs, found)
        if name in outputs:
            unexplained.discard(name)
            expected = None if undisturbed is None else undisturbed.get(name)
            found.faults += _judged(one, name, outputs[name], expected)
    found.faults += [f"doubled: {name} answers no input" for name in sorted(unexplained)]
    found.faults += [f"left: {path}" for path in _left_behind(scene, found)]
    return found


# ---------------------------------------------------------------------- one input


def _place(scene: Scene, one: Dropped, answered: bool, found: Account) -> None:
    """Where an input is: exactly one of waiting, claimed, published and quarantined, and unharmed wherever it lies."""
    lies = _lies(scene, one.name)
    places = [place for place in ("waiting", "claimed", "quarantined") if place in lies]
    places += ["published"] * answered
    if len(places) != 1:
        found.faults.append(f"{'doubled' if places else 'lost'}: {one.name} is {' and '.join(places) or 'nowhere'}")
    if answered == ("done" not in lies) and scene.done is not None:
        found.faults.append(f"lost: {one.name} is {'published, but not' if answered else 'not published, but'} in done")
    for path in lies.values():
        if _sha256(path.read_bytes()) != one.sha256:
            found.faults.append(f"different: {path} is not what was dropped")
    for place in places:
        if place == "quarantined":
            found.quarantined[one.name] = _reason(lies[place], found)
        else:
            getattr(found, place).add(one.name)


def _lies(scene: Scene, name: str) -> dict[str, Path]:
    """The places in which an input lies."""
    places = {"waiting": scene.root / scene.inbox / name, "quarantined": scene.root / scene.quarantine / name}
    if scene.done is not None:
        places["done"] = scene.root / scene.done / name
    claims = list((scene.root / scene.inbox / CLAIMS).glob(f"*/*/{name}"))
    places |= {"claimed" if place == 0 else f"claimed {place}": path for place, path in enumerate(claims)}
    return {place: path for place, path in places.items() if os.path.lexists(path)}


def _reason(path: Path, found: Account) -> str:
    try:
        return str(json.loads(path.with_name(path.name + REASON).read_bytes())["reason"])
    except (OSError, ValueError, KeyError) as error:
        found.faults.append(f"lost: {path} is quarantined without a reason: {error}")
        return ""


# ---------------------------------------------------------------------- one output


def _answer(name: str) -> str:
    """The output's name where tables are answered in kind."""
    return name if name.endswith(".csv") else f"{name}.jsonl"


def _judged(one: Dropped, name: str, content: bytes, expected: bytes | None) -> list[str]:
    try:
        texts = _csv_texts(content) if name.endswith(".csv") else _jsonl_texts(content)
    except (ValueError, KeyError, TypeError, IndexError, AssertionError) as error:
        return [f"torn: {name}: {type(error).__name__}: {error}"]
    if len(texts) != one.records:
        return [f"torn: {name} has {len(texts)} records of {one.records}"]
    wrong = [index for index, text in enumerate(texts) if mark(one.name, index) not in text]
    if wrong:
        return [f"different: {name}: record {wrong[0]} is another's"]
    if expected is not None and content != expected:
        return [f"different: {name} is not what an undisturbed run gives"]
    return []


def _jsonl_texts(content: bytes) -> list[str]:
    assert content.endswith(b"\n"), "the last line has no end"
    records = [json.loads(line) for line in content.decode().splitlines()]
    assert [record["index"] for record in records] == list(range(len(records))), "out of order"
    spoiled = [record["index"] for record in records if record["errors"] or not record["annotations"]]
    assert not spoiled, f"record {spoiled[0]} has an error: {records[spoiled[0]]['errors']}"
    return [record["text"] for record in records]


def _csv_texts(content: bytes) -> list[str]:
    text = content.decode()
    assert text.endswith("\n"), "the last line has no end"
    rows = list(csv.DictReader(io.StringIO(text), strict=True))
    assert all(not row["classifyd_error"] for row in rows), "a row has an error"
    assert all(None not in row and None not in row.values() for row in rows), "a row has too many or too few columns"
    return [row["text"] for row in rows]


# ---------------------------------------------------------------------- folders


def _left_behind(scene: Scene, found: Account) -> Iterable[Path]:
    """What is of no use any more once every input is published or quarantined: drafts, parts, empty claims."""
    if found.waiting or found.claimed:
        return
    for folder in (scene.output, scene.done, scene.quarantine):
        if folder is not None:
            yield from (path for path in (scene.root / folder).rglob(".*") if path.is_file())
    yield from (path for path in (scene.root / scene.output / CLAIMS).rglob("*") if path.is_file())
    yield from (scene.root / scene.inbox / CLAIMS).glob("*/*")
    yield from (path for path in (scene.root / "state" / "parts").rglob("*") if path.is_file())


def _contents(folder: Path) -> dict[str, bytes]:
    files = folder.iterdir() if folder.is_dir() else ()
    return {path.name: path.read_bytes() for path in files if path.is_file() and not path.name.startswith(".")}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
