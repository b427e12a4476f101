"""A power cut at any moment: whatever the disk had not been told to keep is gone, and still nothing is lost or doubled.

One small run of the daemon is recorded, and from its calls every state is made that a cut may leave. The daemon is
started on each. CLASSIFYD_POWER_CUTS says how many of them the long form tries at most; the short form takes a few.
"""

import json
import os
import random
import shutil
import sys
from pathlib import Path

import pytest
from disk import LONG_AGO, Crash, Link, Move, Operation, Sync, Tree, crashes, digest, read_tree, write_tree
from recording import calls, record, why_not
from restarts import Restarts
from told import add_receiver, told
from tracing import Tracing

from classifyd.ledger import LedgerView

STATES = int(os.environ.get("CLASSIFYD_POWER_CUTS", "100000"))
FEW = 25
SETTINGS = {"done": "done/{shouting}", "more": "recursive = true", "split_seconds": 0.01}
KINDS = {
    "moved": SETTINGS,
    "deleted": SETTINGS | {"done": "delete"},
    "left": SETTINGS | {"done": None, "more": 'take = "leave"\nrecursive = true'},
    "corrected": SETTINGS | {"more": 'recursive = true\ncorrections = "corrections"'},
    "told": SETTINGS,
}
NOT_RECORDED = ("config.toml", "note.py", "log", "models", "recorded", "state/breadcrumbs", "state/status")
"""What no start of the daemon reads: it would only make more states of it."""
ROWS = "".join(json.dumps({"text": f"row {number} {'x' * 60}"}) + "\n" for number in range(400))
INPUTS = {"a.txt": b"HELLO", "sub/b.txt": b"hello", "rows.jsonl": ROWS.encode(), "bad.bin": bytes(range(256)) * 4}

CORRECTION = {"c.txt": b"hello"}
"""Dropped among the corrections, where there are any: it is loud, whatever the task says."""

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


class Cut:
    """A recorded run below `here`, and the daemon started on what a power cut leaves of it."""

    def __init__(self, here, restarts):
        self.here = here
        self.restarts = restarts
        self._drop()
        before = self._tree()
        command = [str(Path(sys.executable).with_name("classifyd")), "run", "--once"]
        code = record(
            [*command, "--config", str(here.root / "config.toml")], here.root / "recorded", here.environment()
        )
        assert 1 == code, (here.root / "recorded.log").read_text()
        followed = Tracing(here.root, before, NOT_RECORDED).follow(calls(here.root / "recorded"))
        self.operations, self.begins = followed.operations, followed.begins
        self.outputs = outputs(self._tree())
        assert ["a.txt.jsonl", "rows.jsonl.jsonl", "sub/b.txt.jsonl"] == [name for name, _ in self.outputs]

    def _drop(self):
        dropped = [self.here.drop(name, content) for name, content in INPUTS.items()]
        if corrected(self.here):
            dropped += [self.here.drop(f"shouting/loud/{name}", CORRECTION[name], "corrections") for name in CORRECTION]
        for path in dropped:
            os.utime(path, (LONG_AGO, LONG_AGO))

    def _tree(self) -> Tree:
        found = read_tree(self.here.root)
        return {name: content for name, content in found.items() if not name.startswith(NOT_RECORDED)}

    def crashes(self, operations: list[Operation]) -> list[Crash]:
        """Every power cut during the run, in no order."""
        counts = range(self.begins, len(operations) + 1)
        found = [crash for count in counts for crash in crashes(operations, count)]
        random.Random(20261126).shuffle(found)
        return found

    def judge(self, what: str, state: Tree, *, heir: bool = False) -> None:
        """Start the daemon on a state: each input and each output must be there once, whole, and the same.

        With an `heir` another daemon is started on it before.
        """
        for name in {name.split("/")[0] for name in self._tree()} | {"taken", "log"}:
            path = self.here.root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        (self.here.root / "in").mkdir()
        write_tree(state, self.here.root)
        if heir:
            assert self.restarts.once(self.here.root, {"CLASSIFYD_DAEMON__STATE": "heir"}) in (0, 1)
        code = self.restarts.once(self.here.root)
        if receiving(self.here) and set(told(self.here.root)) != set(INPUTS):
            self.restarts.once(self.here.root)  # a run that ends leaves what its receivers did not take to the next
        found = self._tree()
        wrong = [
            code not in (0, 1),
            receiving(self.here) and set(told(self.here.root)) != set(INPUTS),
            outputs(found) != self.outputs,
            inputs(found) != inputs_due(self.here),
            reasons(found) != reasons_due(self.here),
            corrections(self.here) != corrections_due(self.here),
        ]
        assert not any(wrong), self._report(what, state, code, found)

    def _report(self, what, state, code, found):
        lines = [f"after a power cut that left {what}: exit code {code}", "left:", *shown(state), "became:"]
        return "\n".join([*lines, *shown(found), self.here.log()])


def outputs(tree: Tree) -> list[tuple[str, bytes]]:
    """The outputs, wherever the consumer has put them: one that came again after it was taken is there twice."""
    return sorted(
        (name.partition("/")[2], content)
        for name, content in tree.items()
        if content is not None and name.startswith(("out/", "taken/")) and "/." not in name
    )


def inputs(tree: Tree) -> list[tuple[str, bytes]]:
    """Where the inputs are by now."""
    ends = ("done/", "quarantine/", "in/", "corrections/")
    found = [(name, content) for name, content in tree.items() if name.startswith(ends) and content is not None]
    return sorted((name, content) for name, content in found if not name.endswith((".reason.json", ".lock")))


def inputs_due(here) -> list[tuple[str, bytes]]:
    """Where they are to be in the end, each once."""
    places = {"a.txt": "done/loud", "sub/b.txt": "done/calm", "rows.jsonl": "done/unlabelled", "bad.bin": "quarantine"}
    config = (here.root / "config.toml").read_text()
    if "leave" in config:
        places = dict.fromkeys(places, "in")
    elif "delete" in config:
        places = {"bad.bin": "quarantine"}
    if corrected(here):
        places["c.txt"] = "done/loud"
    return sorted((f"{place}/{name}", (INPUTS | CORRECTION)[name]) for name, place in places.items())


def corrected(here) -> bool:
    """Whether the run has corrections, too."""
    return "corrections" in (here.root / "config.toml").read_text()


def receiving(here) -> bool:
    """Whether a receiver is told of each input's end."""
    return "[[receiver]]" in (here.root / "config.toml").read_text()


def corrections(here) -> list[tuple[str, str | None]]:
    """What the ledger has of them: texts, and what each was said to be."""
    view = LedgerView(here.root / "state" / "ledger.sqlite")
    found = [(one.text, one.label) for one in view.corrections(None)]
    view.close()
    return found


def corrections_due(here) -> list[tuple[str, str | None]]:
    """Each of them once."""
    return [(content.decode(), "loud") for content in CORRECTION.values()] if corrected(here) else []


def reasons(tree: Tree) -> list[str]:
    """The files whose reason lies beside them, whole."""
    return [
        json.loads(content)["path"]
        for name, content in tree.items()
        if name.startswith("quarantine/") and name.endswith(".reason.json") and content is not None
    ]


def reasons_due(here) -> list[str]:
    return [] if "leave" in (here.root / "config.toml").read_text() else ["bad.bin"]


def shown(tree: Tree) -> list[str]:
    return [f"  {name}{'/' if content is None else f' {len(content)} bytes'}" for name, content in tree.items()]


def consumed(operations: list[Operation], begins: int) -> list[Operation]:
    """The same run with a consumer that takes each output the moment it appears, and makes sure of it."""
    folders = {number: name for name, number in _folders(operations).items()}
    taken = 1_000_000
    made: list[Operation] = [Link(0, "taken", taken, is_folder=True), Link(taken, "sub", taken + 1, is_folder=True)]
    made += [Sync(0), Sync(taken)]
    for operation in operations[begins:]:
        made.append(operation)
        if isinstance(operation, Move) and folders.get(operation.into) in ("out", "out/sub"):
            place = taken + (folders[operation.into] == "out/sub")
            made += [
                Move(operation.into, operation.as_name, place, operation.as_name),
                Sync(operation.into),
                Sync(place),
            ]
    return [*operations[:begins], *made]


def _folders(operations: list[Operation]) -> dict[str, int]:
    names = {0: ""}
    for operation in operations:
        if isinstance(operation, Link) and operation.is_folder:
            names[operation.inode] = f"{names[operation.folder]}/{operation.name}".lstrip("/")
    return {name: number for number, name in names.items()}


@pytest.fixture
def cut(place, request):
    here = place(**KINDS[request.param])
    settings = here.root / "config.toml"
    settings.write_text(settings.read_text().replace("settle_seconds = 0.2", "settle_seconds = 0.02"))
    if request.param == "told":
        add_receiver(here.root)
    with Restarts(here.environment()) as restarts:
        yield Cut(here, restarts)


def tried(cut: Cut, most: int, *, taking: bool, heir: bool = False) -> int:
    """Judge so many different states, or all that there are; how many were judged."""
    operations = consumed(cut.operations, cut.begins) if taking else cut.operations
    seen = set()
    found = cut.crashes(operations)
    for crash in found:
        if len(seen) == most:
            break
        state = crash.left(operations)
        if digest(state) not in seen:
            seen.add(digest(state))
            lost = [str(operations[number])[:200] for number in sorted(crash.lost)]
            cut.judge(f"{crash.count} operations without {lost}", state, heir=heir)
    print(f"{len(seen)} states; {len(found)} power cuts during {len(operations) - cut.begins} operations")
    return len(seen)


@pytest.mark.parametrize("cut", ["moved", "corrected"], indirect=True)
def test_a_few_power_cuts_lose_and_double_nothing(cut):
    assert FEW == tried(cut, FEW, taking=True)


@pytest.mark.parametrize("cut", ["moved"], indirect=True)
def test_after_a_few_power_cuts_another_daemon_that_comes_first_doubles_nothing(cut):
    assert FEW == tried(cut, FEW, taking=True, heir=True)


@pytest.mark.trial
@pytest.mark.timeout(0)
@pytest.mark.parametrize("taking", [False, True], ids=["lying", "taken"])
@pytest.mark.parametrize("cut", ["moved"], indirect=True)
def test_after_no_power_cut_another_daemon_that_comes_first_doubles_anything(cut, taking):
    assert tried(cut, STATES, taking=taking, heir=True)


@pytest.mark.trial
@pytest.mark.timeout(0)
@pytest.mark.parametrize("taking", [False, True], ids=["lying", "taken"])
@pytest.mark.parametrize("cut", KINDS, indirect=True)
def test_no_power_cut_loses_or_doubles_anything(cut, taking):
    assert tried(cut, STATES, taking=taking)
