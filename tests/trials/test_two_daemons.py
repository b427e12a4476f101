"""Two daemons: on one state folder the second is refused at once; with their own they share an inbox."""

import os

import pytest
from daemons import Place, wait_until

FILES = int(os.environ.get("CLASSIFYD_SHARED", "5000"))
FEW = 60


def second(here, tmp_path) -> Place:
    """A daemon with its own state and output on the same inbox."""
    other = Place(tmp_path / "second")
    other.root.mkdir()
    text = (here.root / "config.toml").read_text()
    for name in ("in", "done", "quarantine"):
        text = text.replace(f'= "{name}"\n', f'= "{here.root / name}"\n')
    (other.root / "config.toml").write_text(text.replace(f'name = "{here.root / "in"}"', 'name = "in"'))
    (other.root / "models").mkdir()
    return other


def share(here, other, files: int) -> None:
    processes = [(each, each.start(more={"SLOW_SECONDS": "0.002"})) for each in (here, other)]
    try:
        for each, _ in processes:
            wait_until(lambda each=each: '"event": "started"' in each.log(), place=each)
        for number in range(files):
            here.drop(f"{number}.txt", f"text {number}")
        wait_until(lambda: files == len(here.files("done")), seconds=60 + files / 5, place=here)
        for each, process in processes:
            assert 0 == each.stop(process)
    finally:
        other.end()
    judge(here, other, files)
    print(f"{files} inputs: {len(here.files('out'))} answered by one, {len(other.files('out'))} by the other")


def judge(here, other, files: int) -> None:
    mine, theirs = here.files("out"), other.files("out")
    assert set() == mine & theirs
    assert {f"{number}.txt.jsonl" for number in range(files)} == mine | theirs
    for each, names in ((here, mine), (other, theirs)):
        for name in names:
            (record,) = each.records(name)
            assert f"text {name.removesuffix('.txt.jsonl')}" == record["text"]
            assert {} == record["errors"]
    assert {f"{number}.txt" for number in range(files)} == here.files("done")
    assert [] == here.claimed()


def test_a_daemon_whose_inbox_was_removed_and_made_again_keeps_what_it_claims_there(place, tmp_path):
    here = place(tasks=("slow",))
    other = second(here, tmp_path)
    process = here.start(more={"SLOW_SECONDS": "0.01", "HOLD_SECONDS": "0.2"})
    wait_until(here.starts, place=here)
    (here.root / "in").rename(here.root / "removed")  # at one blow: the daemon may be about to make something in it
    wait_until(lambda: '"held"' in here.log(), place=here)
    (here.root / "in").mkdir()
    here.drop("a.jsonl", "".join(f'{{"text": "line {number}"}}\n' for number in range(600)))
    wait_until(here.claimed, place=here)

    try:
        assert 0 == other.once()
        assert set() == other.files("out")
    finally:
        other.end()
    wait_until(lambda: {"a.jsonl"} == here.files("done"), place=here)
    assert 600 == len(here.records("a.jsonl.jsonl"))
    assert 0 == here.stop(process)


def test_two_daemons_share_an_inbox_and_double_nothing(place, tmp_path):
    here = place(tasks=("slow",))
    share(here, second(here, tmp_path), FEW)


@pytest.mark.trial
@pytest.mark.timeout(0)
def test_two_daemons_share_thousands_of_files_and_double_none(place, tmp_path):
    here = place(tasks=("slow",), more="max_claimed_files = 8")
    share(here, second(here, tmp_path), FILES)


@pytest.mark.trial
def test_of_many_daemons_started_at_once_on_one_state_folder_one_runs_and_the_others_are_refused(place):
    here = place()
    processes = [here.start() for _ in range(5)]
    wait_until(lambda: 4 == sum(process.poll() is not None for process in processes))
    assert [69] * 4 == [code for process in processes if (code := process.poll()) is not None]
    (runs,) = (process for process in processes if process.poll() is None)
    here.drop("a.txt", "hello")
    wait_until(lambda: {"a.txt"} == here.files("done"))
    assert 0 == here.stop(runs)
    print(f"{len(processes)} started, {len(processes) - 1} refused with 69")
