"""What stands still instead of ending: an actor, a node, a worker; and actors that can never start."""

import os
import signal

import pytest
from clusters import actors, begun, called, events, rows, without_classifyd
from daemons import descendants, wait_until

TEXTS = [f"row {number} {'x' * 400}" for number in range(1200)]
SLOW = {"SLOW_SECONDS": "0.003", "GRACE_SECONDS": "2"}


def workers(node):
    return [pid for actor in actors(node) for pid in descendants(actor) if "spawn_main" in called(pid)]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("what", ["actor", "raylet", "worker"])
def test_what_stands_still_has_its_jobs_done_elsewhere_once_their_deadline_has_passed(two_nodes, place, what):
    here = two_nodes.give(place(tasks=("slow",), workers=2, split_seconds=0.3, load_seconds=4))
    here.drop("rows.jsonl", rows(*TEXTS))
    daemon = here.start(more=SLOW)
    wait_until(lambda: list((here.root / "state/parts").rglob("*.part")), seconds=120, place=here)
    node = two_nodes.nodes[0]
    held = {"actor": actors, "raylet": lambda node: node.pids, "worker": workers}[what](node)
    assert held
    for pid in held:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: "rows.jsonl.jsonl" in here.files("out"), seconds=200, place=here)
    finally:
        for pid in held:
            if called(pid):
                os.kill(pid, signal.SIGCONT)
        if what == "raylet":
            two_nodes.kill(node)
    assert 0 == here.stop(daemon)

    records = here.records("rows.jsonl.jsonl")
    assert TEXTS == [record["text"] for record in records]
    assert all(record["errors"] == {} for record in records)
    assert {"rows.jsonl"} == here.files("done")
    assert {"rows.jsonl.jsonl"} == here.files("out")
    assert events(here, "worker_died")
    assert (what != "worker") == bool(events(here, "actor_lost"))


def test_where_no_actor_can_ever_start_the_daemon_says_why_before_the_first_claim(place, tmp_path):
    here = place(workers=1)
    here.drop("a.txt", "hello")
    with begun(1, without_classifyd(tmp_path / "broken"), tmp_path / "cluster.log") as nodes:
        assert 69 == nodes.give(here, start_seconds=20).once(), here.log()

    assert "1 of 1 actors have not begun" in here.log()
    assert "this node has another classifyd" in here.log()
    assert {"a.txt"} == here.files("in")
