"""Puts the daemon's main thread, or its first worker's, under strace right before its first work.

TRACED=daemon or worker says which, STRACE has strace's arguments, TRACED_ONCE names a file by which the first worker
is known. What Python does while it starts is not counted then, and a worker's replacement is left alone. What is held
back is tried again soon.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

tracers = []


def attach():
    command = ["strace", *json.loads(os.environ["STRACE"]), "-p", str(os.getpid())]
    tracers.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True))
    end = time.monotonic() + 60
    while "TracerPid:\t0\n" in Path("/proc/self/status").read_text():
        if tracers[0].poll() is not None or time.monotonic() > end:
            raise RuntimeError("strace could not take hold")
        time.sleep(0.005)


def trace_daemon():
    from classifyd.service.daemon import Daemon

    real = Daemon.__init__

    def traced(self, *arguments, **options):
        if os.environ.get("TRACED") == "daemon":
            attach()
        real(self, *arguments, **options)

    Daemon.__init__ = traced


def trace_worker():
    from classifyd.jobs import Inspect
    from classifyd.pipeline import Pipeline

    real = Pipeline.run

    def traced(self, job, *more):
        # Once traced it asks no more: the call by which it would ask is not one of the daemon's.
        if os.environ.get("TRACED") == "worker" and not tracers and not isinstance(job, Inspect) and first():
            attach()
        return real(self, job, *more)

    Pipeline.run = traced


def first():
    try:
        Path(os.environ["TRACED_ONCE"]).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


if "restarts.py" in " ".join(sys.orig_argv):  # which forks the daemons, as they fork their workers
    from classifyd.service import holds

    holds.FIRST_PAUSE_SECONDS = holds.LONGEST_PAUSE_SECONDS = 0.3
    trace_daemon()
    trace_worker()
