"""Whatever senders, kills, restarts and retries do, in any order: what a simple model expects is what comes out.

CLASSIFYD_HISTORIES says how many histories the long form lives through.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from daemons import Place
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from nursery import PLUGIN
from restarts import Restarts

HISTORIES = int(os.environ.get("CLASSIFYD_HISTORIES", "300"))
FEW = 3
BINARY = bytes(range(256)) * 4
PLACES = st.integers(0, 99)
"""Which of the files that are there: how many that is depends on time, and what is drawn must not."""


class Histories(RuleBasedStateMachine):
    """`due` has, by name, the texts that may be answered: an input that was added to while it was read has several.

    None stands for an input that cannot be read.
    """

    restarts: Restarts
    lived: Counter[str]
    """How much there was of what."""

    def __init__(self) -> None:
        super().__init__()
        self.here = Place.make(Path(tempfile.mkdtemp(prefix="classifyd-history-")))
        config = self.here.root / "config.toml"
        config.write_text(config.read_text().replace("settle_seconds = 0.2", "settle_seconds = 0.05"))
        self.due: dict[str, list[str] | None] = {}
        self.number = 0
        self.process: int | None = None

    @rule(count=st.integers(1, 4))
    def drop(self, count):
        for _ in range(count):
            name = self._new_name()
            self.here.drop(name, f"text of {name}")
            self.due[name] = [f"text of {name}"]

    @rule()
    def drop_what_cannot_be_read(self):
        name = self._new_name()
        self.here.drop(name, BINARY)
        self.due[name] = None

    @rule(place=PLACES)
    def rename(self, place):
        if (name := self._waiting(place)) is not None:
            new = self._new_name()
            try:
                (self.here.root / "in" / name).rename(self.here.root / "in" / new)
            except FileNotFoundError:
                return  # it was claimed meanwhile
            self.due[new] = self.due.pop(name)

    @rule(place=PLACES)
    def delete(self, place):
        if (name := self._waiting(place)) is not None:
            try:
                (self.here.root / "in" / name).unlink()
            except FileNotFoundError:
                return
            del self.due[name]

    @rule(place=PLACES)
    def append(self, place):
        name = self._waiting(place)
        if name is None or self.due[name] is None:
            return
        try:
            file = (self.here.root / "in" / name).open("r+b")
        except FileNotFoundError:
            return
        with file:
            file.seek(0, 2)
            file.write(b" and more")
        self.due[name].append(f"{self.due[name][-1]} and more")

    @precondition(lambda self: self.process is None)
    @rule(pause=st.floats(0, 1))
    def start(self, pause):
        self.process = self.restarts.start(self.here.root)
        time.sleep(pause)

    @precondition(lambda self: self.process is not None)
    @rule(pause=st.floats(0, 0.3))
    def kill(self, pause):
        time.sleep(pause)
        self._end(signal.SIGKILL)

    @precondition(lambda self: self.process is not None)
    @rule()
    def stop(self):
        # One that is stopped before it listens to signals ends by this one, as every process does.
        assert self._end(signal.SIGTERM) in (0, -signal.SIGTERM), self.here.log()

    @precondition(lambda self: self.process is None)
    @rule()
    def drain(self):
        assert self.restarts.once(self.here.root) in (0, 1), self.here.log()

    @rule(place=PLACES)
    def retry(self, place):
        mended = [name for name in sorted(self.here.files("quarantine")) if not name.endswith(".json")]
        if not mended:
            return
        name = mended[place % len(mended)]
        (self.here.root / "quarantine" / name).write_text(f"text of {name}")
        classifyd = str(Path(sys.executable).with_name("classifyd"))
        command = [classifyd, "retry", name, "--config", str(self.here.root / "config.toml")]
        subprocess.run(command, check=True, capture_output=True)
        self.due[name] = [f"text of {name}"]
        self.lived["retries"] += 1

    def teardown(self):
        self.lived["histories"] += 1
        self.lived["inputs"] += len(self.due)
        try:
            if self.process is not None:
                self._end(signal.SIGKILL)
            assert self.restarts.once(self.here.root) in (0, 1), self.here.log()
            self._judge()
        finally:
            shutil.rmtree(self.here.root)

    def _judge(self):
        here = self.here
        readable = {name: texts for name, texts in self.due.items() if texts is not None}
        assert {f"{name}.jsonl" for name in readable} == here.files("out"), here.log()
        for name, texts in readable.items():
            (record,) = here.records(f"{name}.jsonl")
            assert record["text"] in texts, (record, texts, here.log())
            assert texts[-1] == (here.root / "done" / name).read_text()
        assert set(readable) == here.files("done"), here.log()
        unreadable = set(self.due) - set(readable)
        assert unreadable | {f"{name}.reason.json" for name in unreadable} == here.files("quarantine"), here.log()
        assert set() == here.files("in")
        assert [] == here.claimed()

    def _new_name(self) -> str:
        self.number += 1
        return f"{self.number}.txt"

    def _waiting(self, place: int) -> str | None:
        found = sorted(self.here.files("in"))
        return found[place % len(found)] if found else None

    def _end(self, number: int) -> int:
        self.lived["kills" if number == signal.SIGKILL else "stops"] += 1
        process, self.process = self.process, None
        os.kill(process, number)
        return self.restarts.wait(process)


def live(histories: int, steps: int) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PLUGIN)}
    with Restarts(environment) as restarts:
        Histories.restarts = restarts
        Histories.lived = Counter()
        run_state_machine_as_test(
            Histories,
            settings=settings(
                max_examples=histories,
                stateful_step_count=steps,
                deadline=None,
                derandomize=histories == FEW,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    print(", ".join(f"{count} {what}" for what, count in Histories.lived.items()))


def test_a_few_histories_end_as_the_model_says():
    live(FEW, 12)


@pytest.mark.trial
@pytest.mark.timeout(0)
def test_many_histories_end_as_the_model_says():
    live(HISTORIES, 30)
