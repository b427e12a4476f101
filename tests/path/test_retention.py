"""What is older than an inbox keeps it goes, and nothing else does, wherever the daemon is killed."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from daemons import wait_until

CLASSIFYD = Path(sys.executable).with_name("classifyd")
DAY = 86_400
KEPT = 'retention = {done = "30d", outputs = "7d", quarantine = "90d", ledger = "1d"}'
BINARY = bytes(range(256)) * 4


def later(here, days):
    """Let so many days go by, and run once more; the exit code."""
    (here.root / "clock").write_text(str(days * DAY))
    return here.once(more={"CLOCK": str(here.root / "clock")})


def sweeps(here):
    return [json.loads(line) for line in here.log().splitlines() if '"event": "swept"' in line]


def rows(here):
    with sqlite3.connect(f"file:{here.root}/state/ledger.sqlite?mode=ro", uri=True) as ledger:
        return ledger.execute("SELECT count(*) FROM inputs").fetchone()[0]


def told(here, command, *arguments):
    found = subprocess.run(
        [str(CLASSIFYD), command, "--config", str(here.root / "config.toml"), *arguments],
        capture_output=True, text=True, check=False, env=here.environment(), cwd=here.root,
    )  # fmt: skip
    return found.stdout


def done(here):
    return json.loads(told(here, "status", "--json"))["inboxes"][0]["done"]


def test_each_thing_goes_when_its_time_has_come_and_what_is_not_ours_stays(place):
    here = place(more=KEPT + "\nrecursive = true")
    for name in ("a.txt", "sub/b.txt", "edited.txt", "linked.txt", "bad.txt"):
        here.drop(name, BINARY if name == "bad.txt" else "hello")
    assert 1 == here.once(), here.log()
    out = here.root / "out"
    (out / "mine.jsonl").write_text("mine")
    (here.root / "quarantine/mine.txt").write_text("mine")
    (out / "edited.txt.jsonl").write_text("edited")
    (here.root / "treasure").write_bytes((out / "linked.txt.jsonl").read_bytes())
    (out / "linked.txt.jsonl").unlink()
    (out / "linked.txt.jsonl").symlink_to(here.root / "treasure")

    assert 0 == later(here, 6)
    assert 5 == len(here.files("out"))
    assert 0 == later(here, 8)
    assert {"mine.jsonl", "edited.txt.jsonl", "linked.txt.jsonl"} == here.files("out")
    assert {"a.txt", "sub/b.txt", "edited.txt", "linked.txt"} == here.files("done")
    first, second = sweeps(here)
    counts = [tuple(swept[what] for what in ("done", "outputs", "quarantine", "ledger")) for swept in (first, second)]
    assert [(0, 0, 0, 1), (0, 2, 0, 0)] == counts, "of what lies in quarantine the reasons tell, not the ledger"
    assert (first["bytes"], second["bytes"] > 0) == (0, True)

    assert 0 == later(here, 31)
    assert set() == here.files("done")
    assert {"bad.txt", "bad.txt.reason.json", "mine.txt"} == here.files("quarantine")
    assert (0, 4) == (rows(here), done(here)), "what is known of inputs goes after them, and they still count"
    assert 0 == later(here, 91)
    assert {"mine.txt"} == here.files("quarantine")
    assert {"mine.jsonl", "edited.txt.jsonl", "linked.txt.jsonl"} == here.files("out")
    assert (here.root / "treasure").exists()


def test_by_default_everything_stays(place):
    here = place()
    here.drop("a.txt", "hello")
    assert 0 == here.once(), here.log()
    assert 0 == later(here, 10_000)
    assert ({"a.txt"}, {"a.txt.jsonl"}, 1) == (here.files("done"), here.files("out"), rows(here))
    assert "swept" not in here.log()


@pytest.mark.parametrize(
    "step",
    [
        "retention.remove_known",
        "retention.fsync_folders",
        "removing.unlink",
        "ledger.forgotten",
        "ledger.rows_removed",
    ],
)
def test_wherever_a_sweep_is_killed_the_next_one_ends_it(place, step):
    here = place(more=KEPT)
    for when in ("before", "after"):
        here.drop(f"{when}.txt", "hello")
        here.drop(f"{when}-bad.txt", BINARY)
        assert 1 == here.once(), here.log()
        (here.root / "clock").write_text(str(91 * DAY))
        assert -9 == here.once(more={"CLOCK": str(here.root / "clock"), "DIE": f"{when} {step}"}), here.log()
        assert 0 == later(here, 91), here.log()
        assert [set(), set(), 0] == [here.files("out"), here.files("done"), rows(here)]
        assert {name for name in here.files("quarantine") if not name.endswith(".reason.json")} == set()
    assert 2 == done(here)


@pytest.mark.parametrize("step", ["removals.move", "ledger.retired"])
def test_an_input_whose_move_was_cut_short_goes_too_in_time(place, step):
    here = place(more=KEPT)
    here.drop("a.txt", "hello")
    assert -9 == here.once(more={"DIE": f"after {step}"}), here.log()
    assert 0 == here.once(), here.log()
    assert {"a.txt"} == here.files("done")
    assert 0 == later(here, 31)
    assert set() == here.files("done")


def test_inputs_that_stay_in_place_are_not_labelled_again_however_old(place):
    here = place(done=None, more='take = "leave"\n' + KEPT)
    here.drop("a.txt", "hello")
    assert 0 == here.once(), here.log()
    for days in (31, 1000):
        assert 0 == later(here, days)
        assert set() == here.files("out")
    assert 1 == rows(here)
    assert {"a.txt"} == here.files("in")


def test_doctor_tells_what_the_next_sweep_would_remove_and_a_running_daemon_removes_it(place):
    here = place(more='retention = {done = "2s"}')
    config = here.root / "config.toml"
    config.write_text(config.read_text().replace("retention", "# retention"))
    for name in ("a.txt", "b.txt"):
        here.drop(name, "hello")
    assert 0 == here.once(), here.log()
    config.write_text(config.read_text().replace("# retention", "retention"))
    wait_until(lambda: "removes 2 inputs in done (10 bytes, older than 2s)" in " ".join(told(here, "doctor").split()))

    process = here.start()
    wait_until(lambda: not here.files("done"), place=here)
    here.drop("c.txt", "hello")
    wait_until(lambda: "c.txt" in here.files("done") or "c.txt.jsonl" in here.files("out"), place=here)
    wait_until(lambda: not here.files("done"), place=here)
    assert 0 == here.stop(process)
    assert {"a.txt.jsonl", "b.txt.jsonl", "c.txt.jsonl"} == here.files("out")
