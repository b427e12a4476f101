"""What the daemon stands on moves: the clock is set, an input is replaced, a folder is removed and made again."""

import os
import shutil

import pytest
from daemons import wait_until

ROUNDS = int(os.environ.get("CLASSIFYD_ROUNDS", "50"))
FEW = 2
YEAR = 365 * 86_400


def started(here, **environment):
    process = here.start(more=environment)
    wait_until(lambda: '"event": "started"' in here.log(), place=here)
    return process


def set_clock(here, process, times: int) -> None:
    """Files of the past and of the future, under a clock that jumps a year either way between them."""
    clock = here.root / "clock"
    for number in range(times):
        clock.with_name("next").write_text(f"{(-1) ** number * YEAR}")
        clock.with_name("next").rename(clock)
        path = here.drop(f".{number}.draft", "hello")
        os.utime(path, (number % 3 * 10**9, number % 3 * 10**9))
        path.rename(here.root / f"in/{number}.txt")
        wait_until(lambda number=number: f"{number}.txt" in here.files("done"), place=here)
    assert {f"{number}.txt.jsonl" for number in range(times)} == here.files("out")
    assert "deadline" not in here.log()
    assert "worker_died" not in here.log()
    assert 0 == here.stop(process)
    print(f"{times} times set, {times} inputs")


def clock_of(here) -> dict[str, str]:
    (here.root / "clock").write_text("0")
    return {"CLOCK": str(here.root / "clock")}


def test_a_clock_set_back_and_forth_delays_nothing_and_loses_nothing(place):
    here = place()
    set_clock(here, started(here, **clock_of(here)), FEW)


@pytest.mark.trial
@pytest.mark.timeout(0)
def test_a_clock_set_many_times_delays_nothing_and_loses_nothing(place):
    here = place()
    set_clock(here, started(here, **clock_of(here)), ROUNDS)


def replace_while_processed(here, times: int) -> None:
    """A sender that drops another file of the same name while the first is worked on: both are answered."""
    process = started(here, SLOW_SECONDS="0.3")
    for number in range(times):
        here.drop("same.txt", f"first {number}")
        wait_until(here.claimed, place=here)
        here.drop("same.txt", f"second {number}")
        wait_until(lambda number=number: 2 * number + 2 == len(here.files("done")), place=here)
    assert 0 == here.stop(process)
    texts = sorted(here.records(name)[0]["text"] for name in here.files("out"))
    assert sorted(f"{which} {number}" for number in range(times) for which in ("first", "second")) == texts
    assert texts == sorted((here.root / "done" / name).read_text() for name in here.files("done"))
    print(f"{times} inputs replaced, {len(texts)} answered")


def test_a_file_dropped_under_the_name_of_one_in_work_is_answered_as_well(place):
    replace_while_processed(place(tasks=("slow",)), FEW)


@pytest.mark.trial
@pytest.mark.timeout(0)
def test_many_files_dropped_under_the_name_of_one_in_work_are_answered_as_well(place):
    replace_while_processed(place(tasks=("slow",)), ROUNDS)


def remove_and_make(here, folder: str, times: int) -> None:
    process = started(here, HOLD_SECONDS="0.2")
    for number in range(times):
        here.drop(f"{number}-before.txt", "hello")
        wait_until(lambda number=number: f"{number}-before.txt" in here.files("done"), place=here)
        shutil.rmtree(here.root / folder)
        if folder == "in":
            wait_until(lambda number=number: here.log().count('"held"') > number, place=here)
            (here.root / "in").mkdir()
        here.drop(f"{number}-after.txt", "hello")
        wait_until(lambda number=number: f"{number}-after.txt" in here.files("done"), place=here)
        assert f"{number}-after.txt.jsonl" in here.files("out")
        assert set() == here.files("in")
    assert 0 == here.stop(process)
    print(f"{times} times removed and made, {2 * times} inputs")


@pytest.mark.parametrize("folder", ["in", "out", "done"])
def test_a_folder_removed_and_made_again_is_used_again(place, folder):
    remove_and_make(place(), folder, 1)


@pytest.mark.trial
@pytest.mark.timeout(0)
@pytest.mark.parametrize("folder", ["in", "out", "done"])
def test_a_folder_removed_and_made_again_many_times_is_used_again(place, folder):
    remove_and_make(place(), folder, ROUNDS)
