"""kill -9 of nodes, actors, workers and the daemon at random moments, with the engine on a cluster of Ray.

Judged by the oracle of the kills with local workers: nothing is lost, torn, doubled or different. The nodes are those
of Ray's own test cluster, processes of this machine. A failure is repeated with the seed that it prints:
`SEED=… pytest -m trial tests/trials/test_node_kills.py`.
"""

import os
import random
import signal
import time
from collections import Counter

import pytest
import undisturbed
from clusters import ENVIRONMENT, actors, begun
from daemons import descendants, wait_until
from oracle import Consumer, Producer, Scene, account
from shapes import drawn

KILLS = int(os.environ.get("KILLS", "300"))
KILLS_IN_SHORT = 4
SEED = int(os.environ.get("SEED", "20261128"))
OPTIONS = {"tasks": ("slow",), "workers": 2, "split_seconds": 0.05, "more": 'format = "same"'}
SLOW = {"SLOW_SECONDS": "0.001"}


def test_a_few_kills_on_a_cluster_lose_tear_double_and_change_nothing(place, tmp_path, monkeypatch):
    tried(place, tmp_path, monkeypatch, KILLS_IN_SHORT, "shared")


@pytest.mark.trial
@pytest.mark.timeout(60 * KILLS + 600)
@pytest.mark.parametrize("files", ["shared", "objects"])
def test_hundreds_of_kills_on_a_cluster_lose_tear_double_and_change_nothing(place, tmp_path, monkeypatch, files):
    tried(place, tmp_path, monkeypatch, KILLS, files)


def tried(place, tmp_path, monkeypatch, kills, files):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    here = place(**OPTIONS)
    with begun(2, {**os.environ, **SLOW}, tmp_path / "cluster.log") as nodes:
        nodes.give(here, files=files)
        consumer = Consumer(here.root / "out", tmp_path / "oracle")
        consumer.start()
        trial = Trial(here, nodes, Producer(here.root / "in", tmp_path / "oracle"), random.Random(SEED))
        for _ in range(kills):
            trial.kill_once()
        trial.rest()
        consumer.stop()

    dropped = trial.producer.dropped()
    expected = undisturbed.outputs(tmp_path / "undisturbed", trial.producer, **OPTIONS)
    found = account(Scene(here.root), dropped, consumer, expected)
    died = here.log().count('"event": "worker_died"')
    print(
        f"seed {SEED}, files {files}: {kills} kills {dict(trial.killed)}, {len(dropped)} inputs, {died} jobs cut short"
    )
    assert found.faults == []
    assert found.published == {one.name for one in dropped}
    assert died or trial.killed["daemon"], "no kill came at a moment of work"


class Trial:
    """A daemon under load, on two nodes: whatever is killed is there again before the next kill."""

    def __init__(self, here, nodes, producer, dice):
        self.here = here
        self.nodes = nodes
        self.producer = producer
        self.dice = dice
        self.drops = 0
        self.daemon = None
        self.killed = Counter()

    def kill_once(self):
        """Drop some files, and kill something at some moment."""
        while len(self.nodes.nodes) < 2:
            self.nodes.add()
        for _ in range(self.dice.randint(2, 8)):
            self.producer.drop(drawn(self.drops, self.dice, largest=800))
            self.drops += 1
        if self.daemon is None:
            before = self.here.starts()
            self.daemon = self.here.start(more=SLOW)
            wait_until(lambda: self.here.starts() > before, seconds=240, place=self.here)
        time.sleep(self.dice.uniform(0, 1.5))
        # A daemon takes long to start here: it is killed less often than what it has its jobs done by.
        what = self.dice.choices(["node", "actor", "worker", "daemon"], [4, 3, 2, 1])[0]
        getattr(self, f"_kill_{what}")()
        self.killed[what] += 1

    def rest(self):
        """Let what is left be finished, with both nodes there."""
        while len(self.nodes.nodes) < 2:
            self.nodes.add()
        if self.daemon is not None:
            assert self.here.stop(self.daemon) == 0, self.here.log()
        assert self.here.once(more=SLOW, timeout=1200) == 0, self.here.log()

    def _kill_node(self):
        self.nodes.kill(self.dice.choice(self.nodes.nodes))

    def _kill_actor(self):
        kill(self.dice, self._keepers())

    def _kill_worker(self):
        kill(self.dice, [pid for keeper in self._keepers() for pid in descendants(keeper)])

    def _kill_daemon(self):
        self.here.kill_everything(self.daemon)
        self.daemon = None

    def _keepers(self):
        return [pid for node in self.nodes.nodes for pid in actors(node)]


def kill(dice, pids):
    if pids:
        try:
            os.kill(dice.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            return
