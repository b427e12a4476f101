"""Whatever a plugin does, it costs the records that it does it over, and nothing else."""

import json
import math
import os
import time
from pathlib import Path

import pytest
from daemons import Place, descendants, inbox, wait_until

PLUGIN = Path(__file__).parent / "plugin"

QUIET = ("prints", "threads", "changes", "forks", "forks_on", "forks_and_exits")
"""What harms nobody: the record is answered."""
RAISED = ("raises", "says_nonsense", "exits", "interrupts", "leaves", "raises_the_base")
"""What the worker survives."""
DEADLY = {
    "crashes": "killed by SIGSEGV",
    "eats": "ran out of the memory",
    "eats_shared": "bytes of memory, of",
    "leaks_in_silence": "leaks them",
    "closes": "closed descriptors",
    "closes_standard": "closed descriptors",
    "babbles": "its report cannot be read",
    "dies_speaking": "killed by SIGKILL",
    "counted": "killed by SIGKILL",
}
"""What ends the worker, and what is said of that."""
ANSWERS = {
    "nothing": "answered with NoneType",
    "a_number": "answered with int",
    "too_few": "answers for",
    "too_many": "answers for",
    "text": "not str",
    "nones": "not NoneType",
    "nan": "within 0 and 1",
    "above_one": "within 0 and 1",
    "no_score": "must be a number",
    "outside": "outside a text",
    "between": "whole numbers",
    "two_lines": "line end",
    "surrogate": "control character",
    "no_text": "must be text",
    "endless": "256 characters",
    "no_fault": "must be a Fault",
    "mixed": "not Span",
    "odd_fault": "odd",
}
"""Wrong answers, and what is said of them."""
ALL = (*QUIET, *RAISED, *DEADLY, *ANSWERS)
TASKS = (*ALL, "deadly")
ALONE = {"odd_fault", *DEADLY} - {"crashes", "counted"}
"""These are done over a file's only record: each worker costs a second. The others have one before and one after."""
SMALL = 'worker_memory_bytes = "256MiB"\njob_files = 1'


def long(*values):
    """Parameters for `make trials` alone."""
    return pytest.param(*values, marks=[pytest.mark.trial, pytest.mark.timeout(7200)])


def environment(place, **more):
    told = {name: str(place.root / name.lower()) for name in ("CHILD", "TOLD")}
    return {"PYTHONPATH": str(PLUGIN), "LEDGER": str(place.root / "state/ledger.sqlite"), **told, **more}


def rows(*texts):
    return "".join(json.dumps({"text": text}) + "\n" for text in texts)


def texts(name):
    return [f"please {name} now"] if name in ALONE else ["hello", f"please {name} now", "goodbye"]


def deaths(place):
    events = [json.loads(line) for line in place.log().splitlines() if line.startswith('{"timestamp')]
    return [event for event in events if event["event"] == "worker_died"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """One run of the daemon over a file for every misdeed."""
    place = Place.make(tmp_path_factory.mktemp("misdeeds"), tasks=TASKS, workers=2, daemon=SMALL)
    for name in ALL:
        place.drop(f"{name}.jsonl", rows(*texts(name)))
    place.drop("calm.txt", "hello")
    try:
        assert 0 == place.once(timeout=1200, more=environment(place))
        yield place
    finally:
        place.end()


@pytest.mark.parametrize("name", ALL)
def test_a_misdeed_costs_the_record_that_it_is_done_over_and_its_task(ran, name):
    records = ran.records(f"{name}.jsonl.jsonl")

    assert texts(name) == [record["text"] for record in records]
    guilty = [] if name in QUIET else [(texts(name).index(f"please {name} now"), name)]
    assert guilty == [(record["index"], task) for record in records for task in record["errors"]]
    answers = [answer["label"] for record in records for answer in record["annotations"].values()]
    assert ["calm"] * (len(records) * len(TASKS) - len(guilty)) == answers
    for index, _ in guilty:
        assert {**DEADLY, **ANSWERS}.get(name, "") in records[index]["errors"][name]["message"]


def test_files_without_a_faulty_record_are_as_ever(ran):
    assert [{}] == [record["errors"] for record in ran.records("calm.txt.jsonl")]
    assert {f"{name}.jsonl" for name in ALL} | {"calm.txt"} == ran.files("done")
    assert set() == ran.files("quarantine")


def test_a_faulty_record_is_isolated_in_two_attempts_and_the_logarithm_of_its_job(ran):
    for name in DEADLY:
        found = [death for death in deaths(ran) if death["task"] == name]
        assert 2 <= len(found) <= 2 + math.ceil(math.log2(len(texts(name)))), name
    assert set(DEADLY) == {death["task"] for death in deaths(ran)}


def test_each_attempt_is_in_the_ledger_at_the_moment_that_the_worker_dies(ran):
    told = [int(line) for line in (ran.root / "told").read_text().split()]

    assert list(range(1, len(told) + 1)) == told
    assert len(told) == sum(death["task"] == "counted" for death in deaths(ran))


def test_what_a_plugin_prints_is_in_no_output(ran):
    assert "a plugin may print" in ran.log()
    assert all(b"garbage" not in path.read_bytes() for path in (ran.root / "out").iterdir() if path.is_file())


def test_outputs_have_the_mode_that_the_daemon_was_started_with(ran):
    modes = {path.stat().st_mode & 0o777 for path in (ran.root / "out").glob("*.jsonl")}

    assert 1 == len(modes)
    assert modes != {0}


def test_a_child_that_a_plugin_left_behind_ends_with_its_worker(ran):
    pid = int((ran.root / "child").read_text())

    wait_until(lambda: not Path(f"/proc/{pid}").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text(), 10)


def test_a_hang_is_killed_on_the_deadline_though_the_worker_ignores_signals(place):
    here = place(tasks=("hangs",), load_seconds=4, workers=2)
    here.drop("hangs.txt", "please hangs now")
    here.drop("calm.txt", "hello")

    assert 0 == here.once(more=environment(here))

    assert [{}] == [record["errors"] for record in here.records("calm.txt.jsonl")]
    assert "deadline" in here.records("hangs.txt.jsonl")[0]["errors"]["hangs"]["message"]


def test_a_worker_that_grows_is_replaced_between_jobs_and_nobody_is_blamed(place):
    here = place(tasks=("leaky",), daemon=SMALL)
    for number in range(3):
        here.drop(f"{number}.jsonl", rows(*["hello"] * 90))

    assert 0 == here.once(more=environment(here))

    assert "it has grown from" in here.log()
    assert [] == deaths(here)
    assert all(not record["errors"] for name in here.files("out") for record in here.records(name))


def test_a_new_worker_is_there_within_ten_seconds(place):
    here = place(tasks=("crashes",))
    process = here.start(more=environment(here))
    wait_until(here.starts, place=here)
    here.drop("crashes.txt", "please crashes now")
    wait_until(lambda: deaths(here), place=here)
    began = time.monotonic()
    # The tracker of semaphores is below the daemon too: a worker leads a group of its own.
    wait_until(lambda: any(os.getpgid(pid) == pid for pid in descendants(process.pid)), seconds=10, place=here)
    assert time.monotonic() - began < 10
    wait_until(lambda: here.files("out"), place=here)
    assert 0 == here.stop(process)


@pytest.mark.parametrize("deed", ["crashes", long("ends"), long("hangs")])
def test_a_task_that_ends_its_worker_over_everything_makes_its_inputs_wait_and_no_others(place, deed):
    other = inbox('["prints"]', done="done2").replace('"in"', '"other"').replace('"out"', '"out2"')
    inboxes = inbox('["deadly"]') + other.replace('"quarantine"', '"quarantine2"')
    here = place(inboxes=inboxes, workers=2, load_seconds=4 if deed == "hangs" else 30, daemon="job_files = 1")
    (here.root / "other").mkdir(exist_ok=True)
    (here.root / "until").touch()
    more = environment(here, UNTIL=str(here.root / "until"), DEED=deed)
    for number in range(4):
        here.drop(f"{number}.jsonl", rows("hello", "goodbye"))
    process = here.start(more=more)
    wait_until(lambda: "task_held" in here.log(), 200, place=here)
    here.drop("fine.txt", "hello", inbox="other")
    wait_until(lambda: "fine.txt.jsonl" in here.files("out2"), place=here)
    assert set() == here.files("out") | here.files("quarantine")

    assert 0 == here.stop(process)
    (here.root / "until").unlink()
    process = here.start(more=more)
    wait_until(lambda: 4 == len(here.files("out")), place=here)

    assert all(not record["errors"] for name in here.files("out") for record in here.records(name))
    assert 0 == here.stop(process)
    print(f"4 inputs waited, {len(deaths(here))} workers ended; the other inbox went on")


def test_a_task_that_is_mended_goes_on_without_a_restart(place):
    here = place(tasks=("deadly",), daemon="job_files = 1")
    (here.root / "until").touch()
    here.drop("a.jsonl", rows("one", "two", "three", "four"))
    process = here.start(more=environment(here, UNTIL=str(here.root / "until"), DEED="crashes"))
    wait_until(lambda: "task_held" in here.log(), 200, place=here)
    (here.root / "until").unlink()
    wait_until(lambda: {"a.jsonl.jsonl"} == here.files("out"), place=here)

    assert "task_recovered" in here.log()
    assert all(not record["errors"] for name in here.files("out") for record in here.records(name))
    assert 0 == here.stop(process)


@pytest.mark.parametrize("deed", ["prints", long("raises"), long("exits"), "crashes", long("hangs")])
def test_an_observer_is_told_at_most_once_and_what_it_does_touches_no_input(place, deed):
    here = place(tasks=("prints",), load_seconds=4 if deed == "hangs" else 30, workers=1)
    for number in range(3):
        here.drop(f"{number}.txt", "hello")
    more = environment(here, OBSERVED=str(here.root / "observed"), OBSERVER=deed)

    assert 0 == here.once(more=more)

    told = (here.root / "observed").read_text().splitlines()
    assert {f"{number}.txt.jsonl" for number in range(3)} == here.files("out")
    assert set() == here.files("quarantine")
    assert len(told) == len(set(told)) or deed in {"prints", "raises", "exits"}
    if deed in {"prints", "raises", "exits"}:
        assert ["file 0.txt", "file 1.txt", "file 2.txt"] == sorted(line for line in told if line.startswith("file"))
        assert 3 == sum(int(line.split()[1]) for line in told if line.startswith("job"))
    print(f"3 inputs answered, {len(told)} reports begun")


@pytest.mark.parametrize("count", [20_000, long(1_000_000)])
def test_a_poisoned_record_in_the_middle_of_many_costs_itself_only(place, count):
    here = place(tasks=("crashes",), workers=2, split_seconds=0.2)
    guilty = count // 2
    texts = (("please crashes now" if n == guilty else f"record {n}") for n in range(count))
    here.drop("many.jsonl", rows(*texts))

    assert 0 == here.once(timeout=120 + count // 200, more=environment(here))

    faulty = []
    with (here.root / "out/many.jsonl.jsonl").open() as output:
        for index, line in enumerate(output):
            record = json.loads(line)
            assert index == record["index"]
            if record["errors"]:
                faulty.append(index)
    assert [guilty] == faulty
    assert count == index + 1
    assert len(deaths(here)) <= 2 + math.ceil(math.log2(count))
    print(f"{count} records, {len(faulty)} with an error, {len(deaths(here))} workers ended")
