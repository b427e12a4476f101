"""What systemd is told, over a real socket: ready, alive, reloading and stopping, each when it is so and not before."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest
import tiny
from daemons import descendants, wait_until

from classifyd import bundles

FREEZER = Path("/sys/fs/cgroup/freezer")
SILENCE_SECONDS = 4.0
"""So long nothing is heard of a daemon that hangs: one that works is heard of every second."""


class Listener:
    """The socket that NOTIFY_SOCKET names, and what came in at it so far."""

    def __init__(self, path):
        self.address = str(path)
        self.heard = []
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._link.bind(self.address)

    def wait_for(self, *fields, seconds=60):
        """Wait for a message that has these fields; the message."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._hear(end - time.monotonic())
            if self.heard and set(fields) <= set(self.heard[-1]):
                return self.heard[-1]
        raise AssertionError(f"no {fields} in {seconds} s: {self.heard}")

    def silent(self, field, seconds):
        """Whether the field does not come for so long."""
        end = time.monotonic() + seconds
        before = len(self.heard)
        while time.monotonic() < end:
            self._hear(end - time.monotonic())
        return not any(field in message for message in self.heard[before:])

    def drain(self):
        """Take in what has come already."""
        while self._hear(0.001):
            pass

    def order(self, *fields):
        """Which of the fields came, in order."""
        return [field for message in self.heard for field in fields if field in message]

    def close(self):
        self._link.close()

    def _hear(self, seconds):
        self._link.settimeout(max(0.001, seconds))
        try:
            message = self._link.recv(8192).decode()
        except TimeoutError:
            return False
        self.heard.append(dict(line.split("=", 1) for line in message.splitlines()))
        return True


@pytest.fixture
def systemd(tmp_path):
    listener = Listener(tmp_path / "notify")
    yield listener
    listener.close()


@pytest.fixture
def frozen(tmp_path):
    """Freezes a process so that not even SIGKILL ends it before it is thawed, as one that waits for a dead disk."""
    group = FREEZER / f"classifyd-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no processes can be frozen here: {error}")

    def freeze(pid):
        (group / "cgroup.procs").write_text(str(pid))
        (group / "freezer.state").write_text("FROZEN")
        wait_until(lambda: (group / "freezer.state").read_text().strip() == "FROZEN")

    yield freeze
    (group / "freezer.state").write_text("THAWED")
    wait_until(lambda: not (group / "cgroup.procs").read_text())
    group.rmdir()


def start(here, systemd, **more):
    return here.start(more={"NOTIFY_SOCKET": systemd.address, **more})


def test_ready_is_said_once_models_are_loaded_and_tested_and_what_was_left_is_taken_up(place, systemd, tmp_path):
    here = place(tasks=("spam", "slow"))
    tiny.make_bundle(bundles.Store(tmp_path / "models"), "spam", ("ham", "spam"))
    first = here.start(more={"SLOW_SECONDS": "30"})
    here.drop("a.txt", "hello")
    wait_until(here.claimed, place=here)
    here.kill_everything(first)

    process = start(here, systemd, SLOW_SECONDS="0", SLOW_LOADING="3")
    systemd.wait_for("READY")

    events = [json.loads(line)["event"] for line in here.log().splitlines()]
    tested, ready = (len(events) - 1 - events[::-1].index(name) for name in ("models_tested", "started"))
    assert tested < ready
    assert json.loads(here.log().splitlines()[ready])["recovered"] == 1
    loading = [message for message in systemd.heard if message.get("STATUS") == "loading and testing the models"]
    assert loading
    assert all("WATCHDOG" in message and int(message["EXTEND_TIMEOUT_USEC"]) > 0 for message in loading)
    status = systemd.wait_for("STATUS")["STATUS"]
    assert "inputs in work" in status
    assert "serving spam@1" in status
    assert 0 == here.stop(process)


def test_stopping_is_said_when_the_intake_ends_and_not_after_the_last_job(place, systemd):
    here = place(tasks=("slow",))
    process = start(here, systemd, SLOW_SECONDS="3")
    systemd.wait_for("READY")
    here.drop("a.txt", "hello")
    wait_until(here.claimed, place=here)

    process.send_signal(signal.SIGTERM)
    told = systemd.wait_for("STOPPING")

    assert process.poll() is None, "the job that runs has time to end"
    assert int(told["EXTEND_TIMEOUT_USEC"]) >= 30_000_000, "as long as drain_seconds allow"
    assert 0 == process.wait(60)
    assert {"a.txt.jsonl"} == here.files("out")


def test_a_reload_is_told_with_its_time_and_never_as_a_stop(place, systemd):
    here = place()
    process = start(here, systemd)
    systemd.wait_for("READY")
    good = (here.root / "config.toml").read_text()
    for text in (good, good.replace('"shouting"', '"shoutin"'), good + "nonsense"):
        (here.root / "config.toml").write_text(text)
        systemd.heard.clear()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

        process.send_signal(signal.SIGHUP)
        told = systemd.wait_for("RELOADING")
        systemd.wait_for("READY")

        assert before <= int(told["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert ["RELOADING", "READY"] == systemd.order("RELOADING", "READY", "STOPPING")
    assert 0 == here.stop(process)


def test_the_watchdog_is_not_fed_by_a_daemon_that_hangs(place, systemd):
    here = place()
    process = start(here, systemd)
    systemd.wait_for("READY")
    systemd.wait_for("WATCHDOG")

    process.send_signal(signal.SIGSTOP)
    systemd.drain()
    assert systemd.silent("WATCHDOG", SILENCE_SECONDS)

    process.send_signal(signal.SIGCONT)
    systemd.wait_for("WATCHDOG")
    assert 0 == here.stop(process)


def test_the_watchdog_is_fed_through_a_long_job_within_its_deadline(place, systemd):
    here = place(tasks=("slow",))
    process = start(here, systemd, SLOW_SECONDS="5")
    systemd.wait_for("READY")
    here.drop("a.txt", "hello")
    while "a.txt.jsonl" not in here.files("out"):
        systemd.heard.clear()
        systemd.wait_for("WATCHDOG")
    assert 0 == here.stop(process)


def test_a_worker_that_cannot_be_ended_is_left_behind_and_the_watchdog_is_fed_on(place, systemd, frozen):
    here = place(load_seconds=10, daemon="record_seconds = 0.1")
    process = start(here, systemd)
    systemd.wait_for("READY")
    here.drop("a.txt", "HANG")
    crumbs = here.root / "state" / "breadcrumbs"
    wait_until(lambda: any(b"predicting" in path.read_bytes() for path in crumbs.iterdir()), place=here)
    frozen(next(pid for pid in descendants(process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()))

    wait_until(lambda: "a.txt.jsonl" in here.files("out"), seconds=120, place=here)
    systemd.heard.clear()
    systemd.wait_for("WATCHDOG")
    here.kill_everything(process)
