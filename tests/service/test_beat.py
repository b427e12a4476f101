"""The heartbeat tells systemd that the daemon is alive only while its workers can be ended."""

from types import SimpleNamespace

import pytest

from classifyd.notify import Notifier
from classifyd.service import beat as module
from classifyd.service.beat import Beat


class Heard(Notifier):
    """Keeps what systemd would be told."""

    def __init__(self):
        super().__init__({})
        self.messages = []

    def send(self, message):
        self.messages.append(message)


@pytest.mark.parametrize("stuck", [False, True])
def test_the_watchdog_is_fed_unless_a_worker_cannot_be_ended(tmp_path, stuck, monkeypatch):
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.0)
    heard = Heard()
    dispatcher = SimpleNamespace(works={"a": 1}, busy=1, waiting=0, rates=SimpleNamespace(latest=1.0))
    succession = SimpleNamespace(serving={"spam": 2, "shouting": None}, loading={}, refused={})
    intakes = {"in": SimpleNamespace(waiting=3), "other": SimpleNamespace(waiting=4)}
    beat = Beat(
        tmp_path,
        dispatcher,
        succession,
        troubles=lambda: {"other": "disk full"},
        intakes=intakes,
        notifier=heard,
        stuck=lambda: stuck,
    )

    beat.beat()

    end = "; a worker cannot be ended" if stuck else ""
    status = f"STATUS=7 files wait, 1 inputs in work, 1 jobs; serving spam@2; held: other{end}"
    assert heard.messages == ([] if stuck else ["WATCHDOG=1"]) + [status]
