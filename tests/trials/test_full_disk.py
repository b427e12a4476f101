"""A disk filled and freed, again and again: the intake pauses, and goes on by itself; nothing is lost or blamed for it.

CLASSIFYD_FILLINGS says how often the long form fills each disk.
"""

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from daemons import wait_until

FILLINGS = int(os.environ.get("CLASSIFYD_FILLINGS", "100"))
FEW = 2
INODES = 1200
ROWS = "".join(json.dumps({"text": f"row {number}"}) + "\n" for number in range(300))
SOON = {"HOLD_SECONDS": "0.2", "SLOW_SECONDS": "0.005"}
ROOM = "min_free_bytes = 65536"


class Tmpfs:
    """A small file system of its own, to be filled to the last byte and inode. All rounds have room in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size=32m,nr_inodes={INODES}", "classifyd-trial", str(path)]
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
        if mounted.returncode:
            pytest.skip(f"no file system may be mounted here: {mounted.stderr.strip()}")

    def fill(self) -> None:
        with contextlib.suppress(OSError), (self.path / ".ballast").open("ab", buffering=0) as ballast:
            while ballast.write(bytes(4096)):
                pass
        with contextlib.suppress(OSError):
            for number in range(INODES):
                (self.path / f".ballast-{number}").touch()

    def free(self) -> None:
        for path in self.path.glob(".ballast*"):
            path.unlink()

    def end(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.path)], check=True)


@pytest.fixture
def disk(tmp_path, request):
    """Set up before the place, so that it goes after its daemons."""
    mounted = Tmpfs(tmp_path / request.param)
    yield mounted
    mounted.end()


def drop_round(here, number: int) -> dict[str, int]:
    """Small files and one that is cut; how many records each has."""
    for each in range(3):
        here.drop(f"{number}-{each}.txt", "hello")
    here.drop(f"{number}.jsonl", ROWS)
    return {f"{number}-{each}.txt": 1 for each in range(3)} | {f"{number}.jsonl": 300}


def fill_and_free(disk: Tmpfs, here, times: int) -> None:
    process = here.start(more=SOON)
    wait_until(lambda: '"event": "started"' in here.log(), place=here)
    due: dict[str, int] = {}
    for number in range(times):
        claimed = claims(here)
        due |= drop_round(here, number) | {f"{number}-waits.txt": 1}
        waiting = here.root / "in" / f"{number}-waits.txt"
        waiting.with_name(".waits").write_text("hello")
        if number % 2:  # in the midst of the work; else before anything is claimed, if the disk is filled soon enough
            wait_until(here.claimed, place=here)
        before = held(here)
        disk.fill()
        in_the_midst = number % 2 or claims(here) > claimed
        waiting.with_name(".waits").rename(waiting)
        if in_the_midst:
            time.sleep(1)  # what is finished meanwhile makes room: the intake may or may not have to pause
        else:
            wait_until(lambda before=before: held(here) > before, place=here)
            assert waiting.exists(), "taken although the disk was full"
        disk.free()
        wait_until(lambda: not here.files("in") and not here.claimed(), place=here)
        judge(here, due)
    assert 0 == here.stop(process)
    print(f"{times} times full, {held(here)} pauses, {len(due)} inputs, {sum(due.values())} records")


def claims(here) -> int:
    return here.log().count('"event": "claimed"')


def held(here) -> int:
    return here.log().count('"event": "held"')


def judge(here, due: dict[str, int]) -> None:
    """Every input is done, and its answer whole and without an error."""
    assert {f"{name}.jsonl" for name in due} == here.files("out")
    assert set(due) == here.files("done")
    for name, records in due.items():
        found = here.records(f"{name}.jsonl")
        assert list(range(records)) == [record["index"] for record in found], name
        assert all(record["annotations"]["slow"]["label"] == "done" and not record["errors"] for record in found)
    assert set() == here.files("quarantine")
    assert "worker_died" not in here.log()


@pytest.mark.parametrize("disk", ["in", "out", "state"], indirect=True)
def test_a_disk_filled_and_freed_loses_nothing(disk, place):
    fill_and_free(disk, place(tasks=("slow",), daemon=ROOM, split_seconds=0.3), FEW)


@pytest.mark.trial
@pytest.mark.timeout(0)
@pytest.mark.parametrize("disk", ["in", "out", "state"], indirect=True)
def test_a_disk_filled_and_freed_a_hundred_times_loses_nothing(disk, place):
    fill_and_free(disk, place(tasks=("slow",), daemon=ROOM, split_seconds=0.3), FILLINGS)
