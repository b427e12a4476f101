"""Events are hints: with their thread dead or their queue overflowed, the next scan finds everything.

CLASSIFYD_DROPPED says how many files the long form drops while the daemon is stopped.
"""

import os
import signal
from pathlib import Path

import pytest
from daemons import wait_until

DROPPED = int(os.environ.get("CLASSIFYD_DROPPED", "100000"))
FEW = 40
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")
MORE_KIB = 30_000
"""What the daemon may grow by, however many files wait: it watches 5,000, holds 2,000, and counts the rest."""


def started(here, **environment):
    process = here.start(more=environment)
    wait_until(lambda: '"event": "started"' in here.log(), place=here)
    return process


def test_with_the_thread_of_events_dead_scanning_finds_the_work(place):
    here = place()
    process = started(here, DEAF="1")
    here.drop("first.txt", "hello")
    wait_until((here.root / "deaf").exists, place=here)
    for number in range(FEW):
        here.drop(f"{number}.txt", "hello")

    wait_until(lambda: FEW + 1 == len(here.files("done")), place=here)
    assert FEW + 1 == len(here.files("out"))
    assert 0 == here.stop(process)


@pytest.mark.skipif(not QUEUE.exists(), reason="no inotify here")
def test_files_whose_events_were_lost_in_an_overflow_are_found_by_the_next_scan(place):
    here = place()
    process = started(here)
    process.send_signal(signal.SIGSTOP)
    overflow(here)
    for number in range(FEW):
        here.drop(f"{number}.txt", "hello")
    process.send_signal(signal.SIGCONT)

    wait_until(lambda: FEW == len(here.files("done")), place=here)
    assert FEW == len(here.files("out"))
    assert 0 == here.stop(process)


def overflow(here) -> None:
    """More events than the kernel keeps; two files in turn, for the same event twice running counts once."""
    files = [here.root / "in" / name for name in (".one", ".two")]
    for file in files:
        file.touch()
    for number in range(int(QUEUE.read_text()) + 1000):
        files[number % 2].chmod(0o600)


@pytest.mark.trial
@pytest.mark.timeout(0)
def test_all_files_dropped_while_the_daemon_was_stopped_are_found(place):
    here = place(workers=2)
    process = started(here)
    before = memory(process.pid, "VmRSS")
    process.send_signal(signal.SIGSTOP)
    for number in range(DROPPED):
        here.drop(f"{number}.txt", "hello")
    process.send_signal(signal.SIGCONT)

    wait_until(lambda: DROPPED == count(here, "done"), seconds=60 + DROPPED / 10, place=here)
    assert DROPPED == count(here, "out")
    more = memory(process.pid, "VmHWM") - before
    print(f"{DROPPED} files, at most {more} KiB more in the daemon")
    assert more < MORE_KIB
    assert 0 == here.stop(process)


def memory(pid: int, line: str) -> int:
    """A line of /proc/pid/status, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(found.split()[1]) for found in status if found.startswith(line))


def count(here, folder: str) -> int:
    found = here.root / folder
    return sum(not path.name.startswith(".") for path in found.iterdir()) if found.exists() else 0
