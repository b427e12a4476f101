"""kill -9 at random moments, under a load of mixed files: nothing is lost, torn, doubled or different.

In the long form nine starts in ten are forked, and their workers too, from a process that has the modules loaded; the
others are `classifyd run` as anybody starts it, which takes twenty times as long. In the short form daemons are forked,
and their workers spawned.
A failure is repeated with the seed that it prints: `SEED=… pytest -m trial tests/trials/test_kills.py`.
"""

import json
import os
import random
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import undisturbed
from daemons import descendants, wait_until
from oracle import Consumer, Producer, Scene, account
from restarts import Restarts, runs
from shapes import drawn
from told import add_receiver, told

KILLS = int(os.environ.get("KILLS", "1000"))
KILLS_IN_SHORT = 30
SEED = int(os.environ.get("SEED", "20261126"))
OPTIONS = {"tasks": ("slow",), "workers": 2, "split_seconds": 0.05, "more": 'format = "same"'}
ENVIRONMENT = {"SLOW_SECONDS": "0.001"}


@pytest.mark.timeout(1200)
def test_thirty_kills_lose_tear_double_and_change_nothing(place, tmp_path):
    tried(place, tmp_path, KILLS_IN_SHORT, forked=0.0)


@pytest.mark.trial
@pytest.mark.timeout(20 * KILLS + 300)
@pytest.mark.parametrize("telling", [False, True], ids=["untold", "told"])
def test_a_thousand_kills_lose_tear_double_and_change_nothing(place, tmp_path, telling):
    tried(place, tmp_path, KILLS, forked=0.9, telling=telling)


def tried(place, tmp_path, kills, forked, *, telling=False):
    """`telling` has a receiver told of each input's end, and the outputs a mode of their own."""
    here = place(**OPTIONS)
    if telling:
        add_receiver(here.root)
        config = here.root / "config.toml"
        config.write_text(config.read_text().replace('format = "same"', 'format = "same"\noutput_mode = "0640"'))
    consumer = Consumer(here.root / "out", tmp_path / "oracle")
    consumer.start()
    with Restarts(here.environment(ENVIRONMENT)) as restarts:
        producer = Producer(here.root / "in", tmp_path / "oracle")
        trial = Trial(here, producer, random.Random(SEED), restarts, forked)
        try:
            for _ in range(kills):
                trial.kill_once()
            trial.rest()
        finally:
            trial.end()
    consumer.stop()

    dropped = trial.producer.dropped()
    expected = undisturbed.outputs(tmp_path / "undisturbed", trial.producer, **OPTIONS)
    found = account(Scene(here.root), dropped, consumer, expected)
    recovered = sum(map(int, re.findall(r'"recovered": (\d+)', here.log())))
    counts = f"seed {SEED}: {kills} kills {trial.killed}, {len(dropped)} inputs, {recovered} taken up after a kill"
    print(counts)
    assert found.faults == []
    assert found.published == {one.name for one in dropped}
    if telling:
        print(f"{counts}; {judge_notices(here, found.published, tmp_path / 'oracle/taken')}")
    assert recovered > kills / 10, "hardly a kill came at a moment of work"


def judge_notices(here, published, taken):
    """Each input's end was told, under one id however often, and each output has the mode asked for; the counts."""
    tries = 0
    while (silent := published - set(notices := told(here.root))) and tries < 3:
        tries += 1  # a run that ends leaves what its receivers did not take to the next
        here.once(more=ENVIRONMENT)
    assert silent == set()
    assert all(len(ids) == 1 for ids in notices.values())
    outputs = [path for path in taken.iterdir() if path.is_file()]
    assert {path.name: 0o640 for path in outputs} == {path.name: path.stat().st_mode & 0o777 for path in outputs}
    return f"{len(notices)} ends told, {sum(map(len, notices.values()))} ids"


@pytest.mark.trial
@pytest.mark.timeout(1800)
def test_a_record_that_takes_the_daemon_down_each_time_costs_only_itself_in_the_end(place):
    here = place()
    texts = ["hello"] * 8
    texts[5] = "please TAKE ALL"
    here.drop("rows.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in texts))
    here.drop("other.txt", "HELLO")
    ends = 0
    while (code := here.once()) == -signal.SIGKILL:
        ends += 1
        assert ends < 20, here.log()

    assert code == 0
    assert ends >= 10, "a few kills from outside would have been blamed on the record"
    assert [r["index"] for r in here.records("rows.jsonl.jsonl") if r["errors"]] == [5]
    assert [r["errors"] for r in here.records("other.txt.jsonl")] == [{}]
    print(f"{ends} ends of the daemon, 1 record of {len(texts)} with an error")


def rows(*texts):
    return "".join(json.dumps({"text": text}) + "\n" for text in texts)


LONG = [f"row {number} {'x' * 100}" for number in range(2000)]
TAKE_ALL = {
    "read": ("a.troubled", "take all when read\nhello\n"),
    "cut": ("a.troubled", "take all when cut\n" + "hello\n" * 50_000),
    "written": ("a.txt", "take all when written"),
    "put together": ("a.jsonl", rows(*LONG, "take all when put together")),
}


@pytest.mark.parametrize("stage", TAKE_ALL)
def test_an_input_that_takes_the_daemon_down_each_time_is_quarantined_in_the_end_and_no_other(place, stage):
    here = place(tasks=("slow",), workers=2, split_seconds=0.1, more='format = "troubled"')
    others = {f"{number}.txt": f"text {number}" for number in range(5)} | {"large.jsonl": rows(*LONG)}
    name, content = TAKE_ALL[stage]
    for other, text in [*others.items(), (name, content)]:
        here.drop(other, text)
    ends = 0
    with Restarts(here.environment({"SLOW_SECONDS": "0.0005"})) as restarts:
        while (code := restarts.once(here.root)) == -signal.SIGKILL:
            ends += 1
            assert ends < 20, here.log()

    assert code == 1
    assert 10 <= ends <= 12, "a few kills from outside would have been blamed on the input"
    assert {name, f"{name}.reason.json"} == here.files("quarantine")
    assert "classifyd ended 10 times while this input was" in here.reason(name)["reason"]
    assert set(others) == here.files("done")
    assert {f"{other}.troubled" for other in others} == here.files("out")
    assert "\n".join(LONG) == (here.root / "out/large.jsonl.troubled").read_text().strip()


def test_an_input_that_is_read_whenever_another_takes_the_daemon_down_is_not_blamed_for_it(place):
    here = place(workers=2, daemon="job_files = 1")
    here.drop("guilty.troubled", "take all when read\nhello\n")
    here.drop("innocent.troubled", "dawdle\nhello\n")
    with Restarts(here.environment()) as restarts:
        codes = [restarts.once(here.root) for _ in range(12)]

    assert -signal.SIGKILL in codes
    assert {"guilty.troubled", "guilty.troubled.reason.json"} == here.files("quarantine")
    assert {"innocent.troubled.jsonl"} == here.files("out")


@dataclass(frozen=True)
class Running:
    """A daemon, and how to wait for its end."""

    pid: int
    wait: Callable[[], int]


class Trial:
    """A daemon under load that is killed, and started again where it did not survive."""

    def __init__(self, here, producer, dice, restarts, forked):
        self.here = here
        self.producer = producer
        self.dice = dice
        self.restarts = restarts
        self.forked = forked
        self.drops = 0
        self.daemon = None
        self.killed = {"everything": 0, "worker": 0, "daemon": 0}

    def kill_once(self):
        """Drop some files, and kill something at some moment."""
        for _ in range(self.dice.randint(1, 10)):
            self.producer.drop(drawn(self.drops, self.dice, largest=800))
            self.drops += 1
        if self.daemon is None:
            self._start()
        time.sleep(self.dice.uniform(0, 0.8))
        what = self.dice.choice([*self.killed])
        getattr(self, f"_kill_{what}")()
        self.killed[what] += 1

    def rest(self):
        """Let what is left be finished."""
        if self.daemon is not None:
            os.kill(self.daemon.pid, signal.SIGTERM)
            assert self.daemon.wait() == 0, self.here.log()
            self.daemon = None
        assert self.here.once(more=ENVIRONMENT, timeout=1200) == 0, self.here.log()

    def end(self):
        """Leave nothing running, whatever came of it."""
        if self.daemon is not None:
            self._kill_everything()

    def _start(self):
        log = self.here.root / "log"
        log.touch()
        before = log.stat().st_size
        if self.dice.random() < self.forked:
            pid = self.restarts.start(self.here.root)
            self.daemon = Running(pid, lambda: self.restarts.wait(pid))
        else:
            process = self.here.start(more=ENVIRONMENT, forked=not self.forked)
            self.daemon = Running(process.pid, process.wait)
        if self.dice.random() < 0.8:  # else it is killed while it is starting
            wait_until(lambda: b'"event": "started"' in read_from(log, before), seconds=240)

    def _kill_everything(self):
        for pid in (self.daemon.pid, *descendants(self.daemon.pid)):
            kill(pid)
        self._forget()

    def _kill_worker(self):
        below = descendants(self.daemon.pid)
        if below:
            kill(self.dice.choice(below))

    def _kill_daemon(self):
        """The daemon alone: its workers have to notice, and end."""
        below = descendants(self.daemon.pid)
        kill(self.daemon.pid)
        self._forget()
        wait_until(lambda: not any(runs(pid) for pid in below), seconds=60)

    def _forget(self):
        self.daemon.wait()
        self.daemon = None


def read_from(path, offset):
    with path.open("rb") as file:
        file.seek(offset)
        return file.read()


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
