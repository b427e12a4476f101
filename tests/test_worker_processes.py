"""Worker processes: which of them the kernel ends first, and when one counts as stuck."""

import multiprocessing
import os
import signal
import time
from pathlib import Path
from queue import SimpleQueue

import pytest

from classifyd import workers
from classifyd.jobs import Inspect
from classifyd.workers import LocalWorkers


@pytest.fixture
def pool(tmp_path):
    outcomes = SimpleQueue()
    made = LocalWorkers(1, tmp_path / "crumb", outcomes.put, "json", "warning")
    made.submit(1, lambda crumb: Inspect(breadcrumb=crumb), 60)
    assert outcomes.get(timeout=60).report is not None
    made.outcomes = outcomes
    yield made
    made.stop()


def worker_pid():
    (child,) = multiprocessing.active_children()
    return child.pid


def test_the_kernel_ends_a_worker_sooner_than_the_daemon(pool):
    score = Path(f"/proc/{worker_pid()}/oom_score_adj").read_text()
    ours = int(Path("/proc/self/oom_score_adj").read_text())
    assert int(score) == min(1000, ours + 500) > ours


def test_a_worker_is_stuck_once_its_job_is_long_past_its_deadline_and_nobody_has_ended_it(pool, monkeypatch):
    monkeypatch.setattr(workers, "STUCK_SECONDS", 2.0)
    os.kill(worker_pid(), signal.SIGSTOP)
    pool.submit(2, lambda crumb: Inspect(breadcrumb=crumb), 1.0)

    assert not pool.stuck
    end = time.monotonic() + 30
    while not pool.stuck and time.monotonic() < end:
        time.sleep(0.05)
    assert pool.stuck
    pool.check()
    assert "deadline" in pool.outcomes.get(timeout=60).death
    assert not pool.stuck
