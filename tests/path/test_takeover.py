"""A promoted version comes into service while files are answered, and one that is not fit does not."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import tiny
from daemons import descendants, wait_until

from classifyd import bundles

LABELS = ("ham", "spam")
LOAD_SECONDS = 10.0
"""So long a worker is made to take over a model: a file behind which one is loaded cannot be answered sooner."""
LONGEST_WAIT_SECONDS = 8.0
"""What no file may wait: generous on a busy machine, but too short for a model to be loaded."""
IN_USE_SECONDS = 120
"""Two rounds of loading, one worker first and then the rest, and the start of processes on a busy machine."""


@pytest.fixture
def store(tmp_path):
    return bundles.Store(tmp_path / "models")


def versions(store, *seeds):
    """A version of `spam` for each seed; the first is in service."""
    for seed in seeds:
        tiny.make_bundle(store, "spam", LABELS, seed=seed)
    store.promote("spam", 1)


def started(here, **more):
    process = here.start(more=more)
    wait_until(lambda: here.starts() == 1, place=here)
    return process


def command(here, *arguments):
    classifyd = str(Path(sys.executable).with_name("classifyd"))
    return subprocess.run(
        [classifyd, *arguments, "--config", str(here.root / "config.toml")],
        env=here.environment(),
        cwd=here.root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def daemon_status(here):
    return json.loads(command(here, "status", "--json"))["daemon"]


def events(here, name):
    lines = (line for line in here.log().splitlines() if line.startswith("{"))
    return [event for event in map(json.loads, lines) if event["event"] == name]


def model_of(here, name, folder="out"):
    (record,) = here.records(name, folder)
    return record["annotations"]["spam"]["model"]


def answered_by(here, name):
    """Drop a file; the model that answered it."""
    here.drop(name, "hello maria")
    wait_until(lambda: f"{name}.jsonl" in here.files("out"), place=here)
    return model_of(here, f"{name}.jsonl")


@dataclass
class Stream:
    """Small files dropped one after the other by a thread, and when each was dropped and answered."""

    here: object
    dropped: dict[str, float] = field(default_factory=dict)
    answered: dict[str, float] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self):
        self._threads = [threading.Thread(target=step) for step in (self._drop, self._watch)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def waits(self):
        return {name: self.answered[name] - at for name, at in self.dropped.items() if name in self.answered}

    def _drop(self):
        while not self._over.wait(0.2):
            name = f"{len(self.dropped):05}.txt"
            self.dropped[name] = time.time()
            self.here.drop(name, f"hello maria {name}")

    def _watch(self):
        while not self._over.is_set() or self.dropped.keys() - self.answered.keys():
            for path in (self.here.root / "out").glob("*.jsonl"):
                self.answered.setdefault(path.name.removesuffix(".jsonl"), time.time())
            if self._over.wait(0.02):
                time.sleep(0.02)
                if time.time() - max(self.dropped.values()) > 60:
                    return


@pytest.mark.timeout(900)
def test_versions_are_promoted_and_rolled_back_under_load_and_no_file_waits_for_one(place, store):
    here = place(tasks=("spam",), workers=2)
    versions(store, 1, 2)
    process = started(here, SLOW_LOADING=str(LOAD_SECONDS))
    changes = [(("models", "promote", "spam", "2"), 2), (("models", "rollback", "spam"), 1)]
    in_use = []
    with Stream(here) as stream:
        wait_until(lambda: len(stream.answered) >= 5, place=here)
        for arguments, version in changes:
            before = len(events(here, "taken_over"))
            command(here, *arguments)
            began = time.monotonic()
            wait_until(lambda before=before: len(events(here, "taken_over")) > before, IN_USE_SECONDS, here)
            in_use.append(time.monotonic() - began)
            assert version == events(here, "taken_over")[-1]["version"]
            since = len(stream.dropped)
            wait_until(lambda since=since: len(stream.answered) >= since + 5, place=here)
    assert 0 == here.stop(process)

    names = set(stream.dropped)
    assert {f"{name}.jsonl" for name in names} == here.files("out"), "every file has one answer"
    assert names == here.files("done")
    assert set() == here.files("in") | here.files("quarantine")
    assert [] == here.claimed()
    assert all(not record["errors"] for name in names for record in here.records(f"{name}.jsonl"))
    longest = max(stream.waits().items(), key=lambda item: item[1])
    assert longest[1] < LONGEST_WAIT_SECONDS, f"{longest}, versions in use after {in_use}"
    for name in names:
        assert model_of(here, f"{name}.jsonl") in served(here, stream.dropped[name], stream.answered[name])
    assert {"spam@1", "spam@2"} == {model_of(here, f"{name}.jsonl") for name in names}
    assert min(in_use) > LOAD_SECONDS, "loading was not as slow as the test needs it to be"


def served(here, since, until):
    """The models that were in service at some time between two."""
    changes = [(0.0, "spam@1")]
    for event in events(here, "taken_over"):
        moment = time.mktime(time.strptime(event["timestamp"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
        changes.append((moment, f"spam@{event['version']}"))
    ends = [*(begin for begin, _ in changes[1:]), float("inf")]
    return {model for (begin, model), end in zip(changes, ends, strict=True) if begin <= until and end + 1 >= since}


def test_inputs_claimed_before_a_promotion_keep_their_version_and_the_relieved_workers_end(place, store):
    here = place(tasks=("spam", "slow"), split_seconds=0.2)
    versions(store, 1, 2)
    rows = "".join(json.dumps({"text": f"hello {number} " + "x" * 200}) + "\n" for number in range(3000))
    process = started(here, SLOW_SECONDS="0.004")
    before = set(descendants(process.pid))  # the worker, and a helper of multiprocessing that stays
    here.drop("large.jsonl", rows)
    wait_until(lambda: events(here, "cut"), place=here)

    store.promote("spam", 2)
    wait_until(lambda: events(here, "taken_over"), place=here)
    assert "large.jsonl.jsonl" not in here.files("out")
    assert "spam@2" == answered_by(here, "small.txt")
    wait_until(lambda: "large.jsonl.jsonl" in here.files("out"), place=here)

    assert {"spam@1"} == {r["annotations"]["spam"]["model"] for r in here.records("large.jsonl.jsonl")}
    assert 3000 == len(here.records("large.jsonl.jsonl"))
    wait_until(lambda: len(before) == len(descendants(process.pid)), place=here)
    assert 1 == len(before - set(descendants(process.pid))), "the relieved worker has ended, the new one has not"
    assert "spam@2" == answered_by(here, "last.txt")
    assert 0 == here.stop(process)


def test_several_promotions_at_once_are_one_take_over(place, store):
    here = place(tasks=("spam", "topic"))
    versions(store, 1, 2)
    for seed in (3, 4):
        tiny.make_bundle(store, "topic", ("a", "b", "c"), seed=seed)
    store.promote("topic", 1)
    process = started(here)

    for task in ("spam", "topic"):  # without the verifying of a promotion, between which the daemon might look
        (store.path / task / "current").write_text("2\n")
    wait_until(lambda: daemon_status(here)["serving"] == {"spam": 2, "topic": 2}, place=here)

    assert 2 == len(events(here, "taken_over"))
    assert 1 == len({event["seconds"] for event in events(here, "taken_over")})
    assert 0 == here.stop(process)


def unfit_known_answer(store):
    """A version whose files are whole, but which does not say what its manifest says it would."""
    tiny.make_bundle(store, "spam", LABELS, seed=2, examples=[{"text": "hello", "labels": {"ham": 0.0, "spam": 0.0}}])


def flipped_byte(store):
    """A version that was damaged after its promotion had verified it."""
    model = store.folder("spam", tiny.make_bundle(store, "spam", LABELS, seed=2).version) / "model.onnx"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)


def damaged_report(store):
    """A version of which only a file is damaged that no task reads."""
    (store.folder("spam", tiny.make_bundle(store, "spam", LABELS, seed=2).version) / "report.md").write_text("x")


def another_one(store):
    """The first version's files under the second one's number."""
    two = store.folder("spam", tiny.make_bundle(store, "spam", LABELS, seed=2).version)
    for name in ("manifest.json", "model.onnx", "tokenizer.json", "report.md"):
        (two / name).write_bytes((store.folder("spam", 1) / name).read_bytes())


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (unfit_known_answer, "example 0 of the manifest has another answer"),
        (flipped_byte, "model.onnx: sha256 is"),
        (damaged_report, "report.md: sha256 is"),
        (another_one, "is of spam@1, but lies where spam@2 belongs"),
    ],
)
def test_a_version_that_is_not_fit_leaves_the_old_one_in_service_and_status_says_why(place, store, spoil, why):
    here = place(tasks=("spam",))
    versions(store, 1)
    process = started(here)
    spoil(store)
    (store.path / "spam" / "current").write_text("2\n")
    wait_until(lambda: events(here, "promotion_refused"), place=here)

    (event,) = events(here, "promotion_refused")
    assert ("spam", 2) == (event["task"], event["version"])
    assert why in event["error"]
    assert "spam@1" == answered_by(here, "a.txt")
    wait_until(lambda: daemon_status(here)["refused"], place=here)
    status = daemon_status(here)
    assert ({"spam": 1}, 2) == (status["serving"], status["refused"]["spam"]["version"])
    assert why in status["refused"]["spam"]["reason"]
    shown = " ".join(command(here, "status").split())
    assert "spam@2 cannot serve, and spam@1 goes on" in shown
    assert why in shown
    time.sleep(3)
    assert 1 == len(events(here, "promotion_refused")) == len(events(here, "promotion_seen")), "it is not tried again"
    assert {} == status["held"]
    assert 0 == here.stop(process)


def test_a_refused_version_is_tried_again_once_it_is_mended(place, store):
    here = place(tasks=("spam",))
    versions(store, 1, 2)
    model = store.folder("spam", 2) / "model.onnx"
    whole = model.read_bytes()
    model.write_bytes(whole[:-1])
    process = started(here)
    (store.path / "spam" / "current").write_text("2\n")
    wait_until(lambda: events(here, "promotion_refused"), place=here)

    model.write_bytes(whole)
    wait_until(lambda: events(here, "taken_over"), place=here)
    assert "spam@2" == answered_by(here, "a.txt")
    wait_until(lambda: {} == daemon_status(here)["refused"], place=here)
    assert 0 == here.stop(process)


def test_of_two_promotions_the_fit_one_comes_into_service(place, store):
    here = place(tasks=("spam", "topic"))
    versions(store, 1)
    for seed in (3, 4):
        tiny.make_bundle(store, "topic", ("a", "b", "c"), seed=seed)
    store.promote("topic", 1)
    process = started(here)
    unfit_known_answer(store)
    store.promote("topic", 2)
    wait_until(lambda: events(here, "taken_over"), place=here)
    wait_until(lambda: daemon_status(here)["refused"], place=here)

    status = daemon_status(here)
    assert {"spam": 1, "topic": 2} == status["serving"]
    assert {"spam"} == set(status["refused"])
    assert 0 == here.stop(process)


@pytest.mark.parametrize("damage", [None, "no number"])
def test_a_current_that_cannot_be_read_leaves_what_serves_in_service(place, store, damage):
    here = place(tasks=("spam",))
    versions(store, 1)
    process = started(here)
    current = store.path / "spam" / "current"
    current.unlink() if damage is None else current.write_text(damage)
    wait_until(lambda: events(here, "promotion_refused"), place=here)

    assert "spam@1" == answered_by(here, "a.txt")
    assert 0 == here.stop(process)


def test_workers_that_die_while_they_load_a_version_have_it_refused(place, store):
    here = place(tasks=("spam",))
    versions(store, 1, 2)
    process = started(here, DEADLY_BUNDLE="/spam/2")
    store.promote("spam", 2)
    wait_until(lambda: events(here, "promotion_refused"), place=here)

    assert "SIGKILL" in events(here, "promotion_refused")[0]["error"]
    assert "spam@1" == answered_by(here, "a.txt")
    assert 0 == here.stop(process)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_a_version_is_loaded_is_obeyed(place, store, number):
    here = place(tasks=("spam",))
    versions(store, 1, 2)
    process = started(here, SLOW_LOADING="4")
    store.promote("spam", 2)
    wait_until(lambda: events(here, "promotion_seen"), place=here)
    time.sleep(1)
    workers = descendants(process.pid)
    process.send_signal(number)
    if number == signal.SIGHUP:
        wait_until(lambda: events(here, "reloaded"), place=here)
        wait_until(lambda: events(here, "taken_over"), place=here)
        assert "spam@2" == answered_by(here, "a.txt")
        process.terminate()
    assert 0 == process.wait(30)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_a_refused_version_does_not_end_a_daemon_that_is_told_to_reload(place, store):
    here = place(tasks=("spam",))
    versions(store, 1)
    process = started(here)
    unfit_known_answer(store)
    wait_until(lambda: events(here, "promotion_refused"), place=here)

    config = here.root / "config.toml"
    config.write_text(config.read_text().replace("workers = 1", "workers = 2"))  # for which all workers are made anew
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: here.starts() == 2, place=here)
    assert "spam@1" == answered_by(here, "a.txt")
    wait_until(lambda: len(events(here, "promotion_refused")) == 2, place=here)
    assert 0 == here.stop(process)


def test_a_version_that_is_not_fit_at_the_start_gives_way_to_the_one_before_it(place, store):
    here = place(tasks=("spam",))
    versions(store, 1)
    unfit_known_answer(store)
    process = here.start()
    wait_until(lambda: here.starts() == 1, seconds=IN_USE_SECONDS, place=here)

    assert "spam@1" == answered_by(here, "a.txt")
    (event,) = events(here, "promotion_refused")
    assert ("spam", 2) == (event["task"], event["version"])
    assert "expected ham 0.000, spam 0.000; found ham 0." in event["error"]
    assert daemon_status(here)["refused"]["spam"]["version"] == 2
    time.sleep(3)
    assert 1 == len(events(here, "promotion_refused")), "it is not tried again"
    assert 0 == here.stop(process)


def test_a_version_that_is_not_fit_at_the_start_with_none_before_it_takes_no_file(place, store):
    here = place(tasks=("spam",))
    unfit_known_answer(store)
    here.drop("a.txt", "hello")

    assert 78 == here.start().wait(120)
    assert {"a.txt"} == here.files("in")
    assert "spam@1: example 0 of the manifest has another answer" in here.log()


def test_a_current_that_the_disk_refuses_at_the_start_is_tried_again(place, store):
    here = place(tasks=("spam",))
    versions(store, 1)
    current = store.path / "spam" / "current"
    current.rename(current.with_name("kept"))
    current.mkdir()  # the tests run as root, too, who may read all files
    here.drop("a.txt", "hello")
    assert 69 == here.start().wait(120), "systemd starts it again"
    assert {"a.txt"} == here.files("in")
    assert "spam/current: Is a directory; see that it can be read" in here.log()

    current.rmdir()
    current.with_name("kept").rename(current)
    assert 0 == here.once()
    assert {"a.txt"} == here.files("done")


def test_a_bundle_that_the_disk_refuses_at_the_start_is_tried_again_and_not_replaced(place, store):
    here = place(tasks=("spam",))
    versions(store, 1, 2)
    store.promote("spam", 2)
    manifest = store.folder("spam", 2) / "manifest.json"
    manifest.unlink()
    manifest.mkdir()
    here.drop("a.txt", "hello")
    assert 69 == here.start().wait(120)
    assert {"a.txt"} == here.files("in")
    assert "manifest.json: Is a directory; see that it can be read" in here.log()
    assert [] == events(here, "promotion_refused")


def test_a_version_that_ends_its_workers_at_the_start_gives_way_to_the_one_before_it(place, store):
    here = place(tasks=("spam",), workers=2)
    versions(store, 1, 2)
    store.promote("spam", 2)
    process = started(here, DEADLY_BUNDLE="/spam/2")

    (event,) = events(here, "promotion_refused")
    assert ("spam", 2) == (event["task"], event["version"])
    assert "spam@2: 3 workers died while they loaded it: its process was killed by SIGKILL" in event["error"]
    assert "spam@1" == answered_by(here, "a.txt")
    assert daemon_status(here)["refused"]["spam"]["version"] == 2
    assert 0 == here.stop(process)


def test_a_version_that_ends_its_workers_at_the_start_with_none_before_it_takes_no_file(place, store):
    here = place(tasks=("spam",))
    versions(store, 1)
    here.drop("a.txt", "hello")

    assert 69 == here.start(more={"DEADLY_BUNDLE": "/spam/1"}).wait(120)
    assert {"a.txt"} == here.files("in")
    assert (
        "spam@1: 3 workers died while they loaded it: its process was killed by SIGKILL; promote another version"
        in here.log()
    )


def test_inputs_that_wait_for_a_version_that_broke_later_go_on_when_it_is_rolled_back(place, store):
    here = place(tasks=("spam",))
    versions(store, 1, 2)
    store.promote("spam", 2)
    process = started(here)
    (store.folder("spam", 2) / "model.onnx").write_bytes(b"broken")
    for pid in descendants(process.pid):
        os.kill(pid, signal.SIGKILL)
    here.drop("a.txt", "hello")
    wait_until(lambda: events(here, "task_held"), place=here)
    assert set() == here.files("out") | here.files("quarantine")

    command(here, "models", "rollback", "spam")
    wait_until(lambda: "a.txt.jsonl" in here.files("out"), place=here)
    assert "spam@1" == model_of(here, "a.txt.jsonl")
    assert 0 == here.stop(process)


def test_what_is_pruned_is_nothing_that_an_input_in_work_or_the_daemon_needs(place, store):
    here = place(tasks=("spam", "slow"))
    versions(store, 1, 2, 3, 4, 5)
    process = started(here, SLOW_SECONDS="300")
    here.drop("a.txt", "hello")  # pinned to 1
    wait_until(lambda: events(here, "claimed"), place=here)
    for version in (2, 3):
        store.promote("spam", version)
        wait_until(lambda version=version: daemon_status(here)["serving"]["spam"] == version, place=here)

    said = command(here, "models", "prune", "--keep", "1")
    assert (1, 2, 3, 5) == store.versions("spam"), said
    assert "spam@4" in said
    process.kill()
    process.wait()
    assert "spam@1" not in command(here, "models", "prune", "spam", "--keep", "1", "--dry-run")
    assert 0 == here.once(more={"SLOW_SECONDS": "0"})
    assert "spam@1" == model_of(here, "a.txt.jsonl")
    assert "spam@1" in command(here, "models", "prune", "spam", "--keep", "1")
