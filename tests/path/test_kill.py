"""Killed at any moment, the daemon picks up where it was: nothing lost, nothing torn, nothing doubled."""

import hashlib
import json
import os
import random
import signal
import threading
import time

import pytest
from daemons import descendants, wait_until

KILLS = 12


def test_kill_9_of_everything_at_random_moments_loses_tears_and_doubles_nothing(place):
    here = place(tasks=("slow",), workers=2, split_seconds=0.05)
    environment = {"SLOW_SECONDS": "0.002"}
    dice = random.Random(20261123)
    dropped = Producer(here, dice)
    consumer = Consumer(here)
    consumer.start()
    for _ in range(KILLS):
        dropped.some()
        starts = here.starts()
        process = here.start(more=environment)
        if dice.random() < 0.7:  # else it is killed while it is starting
            wait_until(lambda starts=starts: here.starts() > starts, place=here)
        time.sleep(dice.uniform(0.0, 1.5))
        here.kill_everything(process)
    assert 0 == here.once(more=environment)
    consumer.stop()

    assert any(f'"recovered": {number}' in here.log() for number in range(1, 500)), "no kill came at a moment of work"
    assert consumer.doubled == []
    assert set(dropped.records) == {name.removesuffix(".jsonl") for name in consumer.taken}
    for name, texts in dropped.records.items():
        lines = consumer.taken[f"{name}.jsonl"].splitlines()
        records = [json.loads(line) for line in lines]
        assert [(i, text) for i, text in enumerate(texts)] == [(r["index"], r["text"]) for r in records], name
        assert all(r["annotations"]["slow"]["label"] == "done" and not r["errors"] for r in records), name
    assert set(dropped.digests) == here.files("done")
    for name, digest in dropped.digests.items():
        assert digest == hashlib.sha256((here.root / "done" / name).read_bytes()).hexdigest()
    assert set() == here.files("in") | here.files("quarantine")
    assert [] == here.claimed()


class Producer:
    """Drops files of mixed sizes and remembers what they hold."""

    def __init__(self, here, dice):
        self.here = here
        self.dice = dice
        self.records: dict[str, list[str]] = {}
        self.digests: dict[str, str] = {}

    def some(self):
        for _ in range(self.dice.randint(3, 12)):
            self._drop(f"{len(self.records):04}.txt", ["hello"], b"hello")
        if self.dice.random() < 0.7:
            texts = [f"text {number} {'x' * self.dice.randint(0, 300)}" for number in range(self.dice.randint(2, 1500))]
            content = "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()
            self._drop(f"{len(self.records):04}.jsonl", texts, content)

    def _drop(self, name, texts, content):
        self.records[name] = texts
        self.digests[name] = hashlib.sha256(content).hexdigest()
        self.here.drop(name, content)


class Consumer(threading.Thread):
    """Takes each output away the moment it appears, and notes if one comes twice."""

    def __init__(self, here):
        super().__init__(daemon=True)
        self.folder = here.root / "out"
        self.taken: dict[str, str] = {}
        self.doubled: list[str] = []
        self._ending = threading.Event()

    def run(self):
        while not self._ending.is_set():
            self._take()
            time.sleep(0.005)
        self._take()

    def _take(self):
        for path in self.folder.glob("*.jsonl") if self.folder.exists() else ():
            if path.name in self.taken:
                self.doubled.append(path.name)
            self.taken[path.name] = path.read_text()
            path.unlink()

    def stop(self):
        self._ending.set()
        self.join()


@pytest.mark.parametrize(
    "step",
    [
        "ledger.intend",
        "moves.rename_exclusive",
        "publish.published",
        "publish.move",
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


def test_parts_that_were_whole_are_not_made_again_after_a_restart(place):
    here = place(tasks=("slow",), split_seconds=0.3)
    texts = [f"text {number} {'x' * 400}" for number in range(4000)]
    here.drop("rows.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in texts))
    process = here.start(more={"SLOW_SECONDS": "0.002"})
    parts = lambda: list((here.root / "state/parts").rglob("*.part"))  # noqa: E731  # asked often below
    wait_until(lambda: len(parts()) >= 3, place=here)
    here.kill_everything(process)
    before = {path: path.stat().st_mtime_ns for path in parts()}

    again = here.start(more={"SLOW_SECONDS": "0.002"})
    wait_until(lambda: len(parts()) > len(before), place=here)
    kept = [path for path in before if path.exists() and path.stat().st_mtime_ns == before[path]]
    assert len(kept) >= len(before) - 1  # the last may not have reached the ledger
    wait_until(lambda: "rows.jsonl.jsonl" in here.files("out"), place=here)
    assert 0 == here.stop(again)
    assert texts == [record["text"] for record in here.records("rows.jsonl.jsonl")]


def test_a_worker_killed_again_and_again_delays_but_does_not_spoil(place):
    here = place(tasks=("slow",), workers=2, split_seconds=0.1)
    process = here.start(more={"SLOW_SECONDS": "0.002"})
    wait_until(lambda: '"event": "started"' in here.log(), place=here)
    texts = [f"text {number}" for number in range(1500)]
    here.drop("rows.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in texts))
    dice = random.Random(7)
    for _ in range(3):
        time.sleep(1.5)
        workers = [pid for pid in descendants(process.pid) if pid != process.pid]
        if workers and process.poll() is None:
            os.kill(dice.choice(workers), signal.SIGKILL)
    wait_until(lambda: "rows.jsonl.jsonl" in here.files("out"), place=here)

    records = here.records("rows.jsonl.jsonl")
    assert texts == [record["text"] for record in records]
    assert 0 == here.stop(process)
