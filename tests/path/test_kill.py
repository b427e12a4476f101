"""Killed around each step, the daemon picks up where it was; tests/trials kills it at every call and at random."""

import contextlib
import json
import re
import shutil
import sqlite3

import pytest
from daemons import wait_until


@pytest.mark.parametrize(
    "step",
    [
        "ledger.intend",
        "moves.rename_exclusive",
        "publish.published",
        "removals.move",
        "ledger.retired",
        "ledger.claimed",
    ],
)
def test_killed_around_each_step_of_publishing_the_answer_is_the_same(place, step):
    """The daemon is made to die right before, then right after a step; the next start finishes the work."""
    here = place()
    for when in ("before", "after"):
        name = f"{when}.txt"
        here.drop(name, "hello")
        assert -9 == here.once(more={"DIE": f"{when} {step}"}), here.log()
        assert 0 == here.once(), here.log()

        assert 1 == len(here.records(f"{name}.jsonl"))
    assert {"before.txt.jsonl", "after.txt.jsonl"} == here.files("out")
    assert {"before.txt", "after.txt"} == here.files("done")
    assert [] == here.claimed()


def run_once(here, state, more=None):
    """Run the daemon of a state folder to its end; its exit code. Each such folder's daemon is another one."""
    config = here.root / "config.toml"
    config.write_text(re.sub('^state = ".*"$', f'state = "{state}"', config.read_text(), flags=re.MULTILINE))
    return here.once(more=more)


@pytest.mark.parametrize(
    ("step", "marked"),
    [
        ("before publish.mark", False),
        ("after publish.mark", True),
        ("before ledger.intend", True),
        ("before moves.rename_exclusive", True),
        ("after moves.rename_exclusive", True),
        ("before removals.move", True),
        ("after removals.move", True),
        ("before retire.forget", True),
        ("after ledger.retired", True),
    ],
)
def test_what_a_killed_daemon_may_have_published_no_other_one_does_again(place, step, marked):
    """Another daemon comes before the killed one is started again; none doubles the output, and none loses it."""
    here = place()
    here.drop("a.txt", "hello")
    assert -9 == run_once(here, "state", {"DIE": step}), here.log()
    lying = len(here.claimed())

    assert 0 == run_once(here, "other"), here.log()
    assert (lying if marked else 0) == here.log().count('"event": "claim_left"')

    assert 0 == run_once(here, "state"), here.log()
    assert {"a.txt.jsonl"} == here.files("out")
    assert 1 == len(here.records("a.txt.jsonl"))
    assert {"a.txt"} == here.files("done")
    assert [] == [path for path in (here.root / "in/.classifyd").rglob("*") if path.suffix != ".lock"]


def test_what_no_ledger_knows_any_more_and_may_be_published_is_left_and_told_of(place):
    here = place()
    here.drop("a.txt", "hello")
    assert -9 == run_once(here, "state", {"DIE": "before removals.move"}), here.log()
    (here.root / "state/ledger.sqlite").unlink()

    process = here.start()
    wait_until(lambda: "claims of in" in held(here), place=here)
    assert "may be answered already" in held(here)["claims of in"]
    here.drop("b.txt", "hello")
    wait_until(lambda: {"b.txt"} == here.files("done"), place=here)
    assert 1 == here.log().count('"event": "claim_left"')
    assert {"a.txt.jsonl", "b.txt.jsonl"} == here.files("out")

    (claimed,) = here.claimed()
    claimed.rename(here.root / "done/a.txt")
    wait_until(lambda: "claims of in" not in held(here), place=here)
    assert 0 == here.stop(process)


def held(here):
    """What the daemon says is held back."""
    with contextlib.suppress(OSError):
        return json.loads((here.root / "state/status.json").read_text())["held"]
    return {}


def recorded(here):
    """The numbers of the parts that the ledger knows to be whole; none before there is a ledger."""
    path = here.root / "state/ledger.sqlite"
    with contextlib.suppress(sqlite3.OperationalError), sqlite3.connect(f"file:{path}?mode=ro", uri=True) as ledger:
        return {number for (number,) in ledger.execute("SELECT number FROM parts")}
    return set()


def part(here, number):
    (path,) = (here.root / "state/parts").rglob(f"*-{number:06}.part")
    return path


def test_parts_that_were_whole_are_not_made_again_after_a_restart(place):
    here = place(tasks=("slow",), split_seconds=0.3)
    texts = [f"text {number} {'x' * 400}" for number in range(2000)]
    here.drop("rows.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in texts))
    process = here.start(more={"SLOW_SECONDS": "0.002"})
    wait_until(lambda: len(recorded(here)) >= 2, place=here)
    here.kill_everything(process)
    before = {number: part(here, number).stat().st_mtime_ns for number in recorded(here)}

    again = here.start(more={"SLOW_SECONDS": "0.002"})
    wait_until(lambda: len(recorded(here)) > len(before), place=here)
    assert before == {number: part(here, number).stat().st_mtime_ns for number in before}
    wait_until(lambda: "rows.jsonl.jsonl" in here.files("out"), place=here)
    assert 0 == here.stop(again)
    assert texts == [record["text"] for record in here.records("rows.jsonl.jsonl")]


def test_parts_of_inputs_that_are_finished_are_removed_at_the_next_start(place):
    here = place()
    left = here.root / "state/parts/0123456789abcdef/0123-000001.part"
    left.parent.mkdir(parents=True)
    left.write_text("of an input that was retired right before a crash")

    assert 0 == here.once()
    assert not left.parent.exists()


def killed_with_an_answer(here, when, step):
    """A daemon that intended to publish an answer and was killed around that."""
    here.drop("a.txt", "hello")
    assert -9 == here.once(more={"DIE": f"{when} {step}"}), here.log()


@pytest.mark.parametrize("instead", ["nothing", "an empty folder", "a folder of earlier answers"])
def test_an_answer_that_is_away_with_its_disk_waits_for_it(place, instead):
    here = place()
    out, disk, bare = (here.root / name for name in ("out", "disk", "bare"))
    if instead == "a folder of earlier answers":
        here.drop("earlier.txt", "hello")
        assert 0 == here.once()
        out.rename(bare)
    elif instead == "an empty folder":
        bare.mkdir()
    killed_with_an_answer(here, "before", "moves.rename_exclusive")
    out.rename(disk)
    if bare.exists():
        bare.rename(out)
    answers = here.files("out")
    here.drop("b.txt", "hello")

    assert 1 == here.once(), here.log()
    assert "mount the disk of the outputs" in here.log()
    assert ["a.txt"] == [path.name for path in here.claimed()]
    assert answers == here.files("out"), "neither is answered there"

    if out.exists():
        out.rename(bare)
    disk.rename(out)
    assert 0 == here.once(), here.log()
    assert {"a.txt.jsonl", "b.txt.jsonl"} == here.files("out")
    assert {"a.txt", "b.txt"} <= here.files("done")


def test_an_answer_that_was_published_and_taken_before_its_disk_went_away_is_not_made_again(place):
    here = place()
    killed_with_an_answer(here, "after", "moves.rename_exclusive")
    (here.root / "out/a.txt.jsonl").unlink()
    (here.root / "out").rename(here.root / "disk")
    assert 1 == here.once(), here.log()
    assert ["a.txt"] == [path.name for path in here.claimed()]

    (here.root / "disk").rename(here.root / "out")
    assert 0 == here.once(), here.log()
    assert set() == here.files("out")
    assert {"a.txt"} == here.files("done")


@pytest.mark.parametrize("taken", [False, True], ids=["lying", "taken"])
def test_where_answers_wait_may_be_tidied_away_after_a_kill(place, taken):
    here = place()
    killed_with_an_answer(here, "after", "moves.rename_exclusive")
    (waiting,) = (here.root / "out/.classifyd").iterdir()
    (landmark,) = waiting.iterdir()
    shutil.rmtree(waiting.parent)
    if taken:  # then nobody but a human can know that it was published
        (here.root / "out/a.txt.jsonl").unlink()
        assert 1 == here.once(), here.log()
        assert f"{landmark}: gone" in here.log()
        landmark.mkdir(parents=True)

    assert 0 == here.once(), here.log()
    assert (set() if taken else {"a.txt.jsonl"}) == here.files("out")
    assert {"a.txt"} == here.files("done")
