"""Real worker processes, without a daemon."""

import os
import queue
import signal
import time
from pathlib import Path

import pytest

from classifyd.jobs import Inspect
from classifyd.workers import Terms, Workers, local


@pytest.fixture
def workers(tmp_path):
    outcomes = queue.SimpleQueue()
    some = Workers(1, tmp_path / "crumbs/0", outcomes.put, local(Terms(memory_bytes=2**31)))
    yield some, outcomes
    some.stop()


def ask(workers, number=1):
    some, outcomes = workers
    some.submit(number, lambda crumb: Inspect(breadcrumb=crumb), 60)
    return outcomes.get(timeout=120)


def test_a_worker_answers_and_is_killed_with_its_group_when_it_is_stopped(workers):
    first, second = ask(workers), ask(workers, 2)
    pid = first.report.pid

    assert [1, 2] == [first.number, second.number]
    assert pid == second.report.pid == os.getpgid(pid)
    workers[0].stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_worker_that_was_killed_while_idle_is_replaced_and_nobody_hears_of_it(workers):
    pid = ask(workers).report.pid
    os.kill(pid, signal.SIGKILL)
    while workers[0]._workers[0]._process.alive:
        time.sleep(0.01)

    found = ask(workers, 2)

    assert found.report is not None
    assert pid != found.report.pid


def test_a_worker_that_is_stopped_by_a_signal_is_killed_on_the_deadline_and_begun_anew(workers):
    os.kill(ask(workers).report.pid, signal.SIGSTOP)
    some, outcomes = workers
    some.submit(2, lambda crumb: Inspect(breadcrumb=crumb), 0.5)
    outcome = outcomes.get(timeout=60)

    assert "deadline" in outcome.death
    assert outcome.lost  # it never began: the job is to blame for nothing
    assert ask(workers, 3).report is not None


def test_workers_leave_no_descriptor_behind(workers):
    ask(workers)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(2, 4):
        os.kill(workers[0]._workers[0]._process.pid, signal.SIGKILL)
        while workers[0]._workers[0]._process.alive:
            time.sleep(0.01)
        ask(workers, number)

    assert before == len(list(Path("/proc/self/fd").iterdir()))


def test_the_kernel_ends_a_worker_sooner_than_the_daemon(workers):
    pid = ask(workers).report.pid

    ours = int(Path("/proc/self/oom_score_adj").read_text())
    assert min(1000, ours + 500) == int(Path(f"/proc/{pid}/oom_score_adj").read_text())
