"""SIGTERM, a second one, and SIGHUP in every phase: the daemon ends or goes on as promised, and nothing is lost."""

import signal
import time

import pytest
from daemons import Place, wait_until

LIMIT = 60
LINGERING = {
    "claimed": "ledger.claimed",
    "intended": "ledger.intend",
    "publishing": "moves.rename_exclusive",
    "published": "publish.published",
    "retiring": "removals.move",
    "retired": "ledger.retired",
    "recovering": "entrance.recover",
}
PHASES = ("loading", "working", *LINGERING)
SIGNALS = {
    "term": [signal.SIGTERM],
    "twice": [signal.SIGTERM, signal.SIGTERM],
    "hup": [signal.SIGHUP],
    "hup-term": [signal.SIGHUP, signal.SIGTERM],
}
FEW = [("loading", "hup"), ("publishing", "twice"), ("recovering", "term")]


def in_phase(here, phase: str):
    """A daemon in that phase, with two inputs."""
    for name in ("a.txt", "b.txt"):
        here.drop(name, "hello")
    if phase == "recovering":
        assert -9 == here.once(more={"DIE": "after ledger.intend"})
    more = {"SLOW_SECONDS": "1" if phase == "working" else "0.01"}
    if phase == "loading":
        process = here.start(more=more | {"SLOW_LOADING": "2"})
        wait_until(lambda: list((here.root / "state/breadcrumbs").glob("*")), place=here)
    elif phase == "working":
        process = here.start(more=more)
        crumbs = here.root / "state/breadcrumbs"
        wait_until(lambda: any("predicting" in path.read_text() for path in crumbs.glob("*")), place=here)
    else:
        process = here.start(more=more | {"LINGER": LINGERING[phase]})
        wait_until((here.root / "lingering").exists, place=here)
    return process


def send_in_phase(here, phase: str, signals) -> None:
    process = in_phase(here, phase)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.05)  # two of one kind that come at once are one
    if signals[-1] == signal.SIGHUP:
        wait_until(lambda: {"a.txt", "b.txt"} == here.files("done"), place=here)
        process.terminate()
    twice = signals.count(signal.SIGTERM) == 2
    assert process.wait(LIMIT) in ({0, 1} if twice else {0}), here.log()
    assert 0 == here.once(), here.log()
    judge(here)


def judge(here) -> None:
    assert {"a.txt", "b.txt"} == here.files("done")
    assert {"a.txt.jsonl", "b.txt.jsonl"} == here.files("out")
    for name in here.files("out"):
        assert [{}] == [record["errors"] for record in here.records(name)]
    assert set() == here.files("in") | here.files("quarantine")
    assert [] == here.claimed()


@pytest.mark.parametrize(("phase", "name"), FEW)
def test_a_signal_at_a_few_moments_loses_nothing(place, phase, name):
    send_in_phase(place(tasks=("slow",)), phase, SIGNALS[name])


@pytest.mark.parametrize("late_seconds", [0, 0.02, 0.05, 0.1])
def test_a_second_signal_while_the_process_ends_is_not_what_it_ends_by(place, late_seconds):
    here = place(tasks=("slow",))
    process = here.start(forked=False)
    wait_until(lambda: '"event": "started"' in here.log(), place=here)
    process.terminate()
    wait_until(lambda: '"event": "stopped"' in here.log(), place=here)
    time.sleep(late_seconds)
    process.terminate()
    assert process.wait(LIMIT) in {0, 1}, here.log()


@pytest.mark.trial
@pytest.mark.timeout(150 * len(PHASES))
@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_in_any_phase_loses_nothing(tmp_path, name):
    for phase in PHASES:
        (tmp_path / phase).mkdir()
        here = Place.make(tmp_path / phase, tasks=("slow",))
        try:
            send_in_phase(here, phase, SIGNALS[name])
        finally:
            here.end()
    print(f"{len(PHASES)} phases")
