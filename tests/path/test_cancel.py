"""An input that is cancelled goes to quarantine and nowhere else, whatever is killed meanwhile."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from daemons import wait_until

TEXTS = [f"text {number} {'x' * 200}" for number in range(8000)]
SLOW = {"SLOW_SECONDS": "0.001"}


def classifyd(place, *words):
    command = [Path(sys.executable).with_name("classifyd"), *words, "--config", place.root / "config.toml"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=place.environment())


def with_large(place, **options):
    """A place in which a large file waits."""
    here = place(tasks=("slow",), split_seconds=0.2, **options)
    here.drop("large.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    return here


def parts(here):
    return [path for path in (here.root / "state/parts").rglob("*") if path.is_file()]


def in_midst(here):
    """Start a daemon and wait until it has made some parts of the large file."""
    process = here.start(more=SLOW)
    wait_until(lambda: parts(here), place=here)
    return process


def test_a_cancelled_file_lies_in_quarantine_by_whom_and_retry_takes_it_up_again(place):
    here = with_large(place)
    process = in_midst(here)

    told = classifyd(here, "cancel", "in/large.jsonl")
    here.drop("small.txt", "hello")
    wait_until(lambda: "small.txt" in here.files("done"), place=here)

    assert 0 == told.returncode, told.stderr
    assert "tried again by: classifyd retry large.jsonl" in told.stdout
    assert {"large.jsonl", "large.jsonl.reason.json"} == here.files("quarantine")
    reason = here.reason("large.jsonl")
    assert "Cancelled" == reason["type"]
    assert "large.jsonl: cancelled by " in reason["reason"]
    wait_until(lambda: [] == parts(here), place=here)
    wait_until(lambda: [] == list((here.root / "state/cancelled").iterdir()), place=here)
    assert [] == here.claimed()
    assert {"small.txt.jsonl"} == here.files("out")

    assert 0 == classifyd(here, "retry", "large.jsonl").returncode
    wait_until(lambda: "large.jsonl.jsonl" in here.files("out"), place=here)
    wait_until(lambda: "large.jsonl" in here.files("done"), place=here)
    assert TEXTS == [record["text"] for record in here.records("large.jsonl.jsonl")]
    assert set() == here.files("quarantine")
    assert 0 == here.stop(process)


def test_what_is_cancelled_while_no_daemon_runs_is_cancelled_by_the_next_one(place):
    here = with_large(place)
    here.kill_everything(in_midst(here))

    told = classifyd(here, "cancel", "in/large.jsonl")
    made = len(parts(here))
    assert 1 == here.once(more=SLOW)

    assert "the next one cancels it" in told.stdout
    assert made
    assert {"large.jsonl", "large.jsonl.reason.json"} == here.files("quarantine")
    assert ([], set()) == (parts(here), here.files("out"))
    assert 0 == classifyd(here, "retry").returncode
    assert 0 == here.once(more={"SLOW_SECONDS": "0"})
    assert TEXTS == [record["text"] for record in here.records("large.jsonl.jsonl")]


@pytest.mark.parametrize("step", ["ledger.condemned", "removals.quarantine", "ledger.quarantined", "notes.remove"])
def test_killed_around_each_step_of_a_cancel_the_input_is_in_quarantine_once(place, step):
    here = with_large(place)
    here.kill_everything(in_midst(here))
    for when in ("before", "after"):
        assert 0 == classifyd(here, "cancel", "in/large.jsonl").returncode
        assert -9 == here.once(more={**SLOW, "DIE": f"{when} {step}"}), here.log()
        here.once(more=SLOW)

        assert {"large.jsonl", "large.jsonl.reason.json"} == here.files("quarantine"), here.log()
        assert (set(), set(), []) == (here.files("in"), here.files("out"), here.claimed())
        assert [] == list((here.root / "state/cancelled").iterdir())
        # Taken up again it is another claim, of which a note that a kill had left would say nothing.
        assert 0 == classifyd(here, "retry").returncode
        here.kill_everything(in_midst(here))
    assert 0 == here.once(more={"SLOW_SECONDS": "0"})
    assert TEXTS == [record["text"] for record in here.records("large.jsonl.jsonl")]
    assert {"large.jsonl"} == here.files("done")


def test_what_is_not_in_work_cannot_be_cancelled(place):
    here = place()
    here.drop("a.txt", "hello")
    assert 0 == here.once()
    here.drop("b.txt", "hello")

    for name, why in (("in/a.txt", "is not in work"), ("in/b.txt", "take it out of"), ("in/nothing", "is not in work")):
        told = classifyd(here, "cancel", name)
        assert 1 == told.returncode
        assert why in told.stderr
    assert 2 == classifyd(here, "cancel", "a.txt").returncode
    assert 0 == here.once()
    assert {"a.txt", "b.txt"} == here.files("done")
