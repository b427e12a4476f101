"""Killed around each step, the daemon picks up where it was; tests/trials kills it at every call and at random."""

import contextlib
import json
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
