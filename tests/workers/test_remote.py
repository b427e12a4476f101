"""A worker in an actor, without Ray: its actor is one that a test holds."""

import threading
from concurrent.futures import ThreadPoolExecutor

from classifyd.workers import Terms
from classifyd.workers.demands import Demands
from classifyd.workers.remote import Contract, RemoteProcess
from classifyd.workers.slots import Lent


class Unreached:
    """An actor to which nothing gets through until the connection is `back`; calls wait for that, as through ray://."""

    def __init__(self):
        self.back = threading.Event()
        self.ended = []
        self.end = self

    def remote(self, key):
        self.back.wait(60)
        self.ended.append(key)


class Held:
    """A slot with an actor."""

    start_seconds = 0.0
    problem = ""

    def __init__(self, actor):
        self.lent = Lent(actor, "node")

    def wait(self, _):
        return self.lent


def test_to_have_a_worker_ended_waits_for_no_connection(tmp_path):
    actor = Unreached()
    with ThreadPoolExecutor(1) as aside:
        contract = Contract(Terms(), Demands(), None, hire_here=None, aside=aside.submit)
        process = RemoteProcess(Held(actor), contract, str(tmp_path / "crumb"))
        process._take_up()

        process.end()

        assert not process.alive
        assert [] == actor.ended
        actor.back.set()
    assert 1 == len(actor.ended)
