"""Starts of the daemon by the thousand: each in a process forked from one that has its modules loaded already.

What runs is what `classifyd run` runs; only its workers are forked, too, instead of spawned.
"""

import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from classifyd.errors import ClassifydError

CRASHED = 99
"""The exit code of a daemon that an error ended which nobody had thought of."""
ORPHANED_SECONDS = 10


class Restarts:
    """A process that starts daemons; to be used in a `with`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(environment)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def once(self, root: Path, more: Mapping[str, str] | None = None) -> int:
        """Run the daemon of a folder until its inboxes are drained, its log in the file `log`; the exit code."""
        return self.wait(self._ask("once", str(root), more or {}))

    def start(self, root: Path, more: Mapping[str, str] | None = None) -> int:
        """Start the daemon of a folder, `more` being set in its environment; its process."""
        return self._ask("run", str(root), more or {})

    def wait(self, process: int) -> int:
        """Wait for a daemon's end; the exit code."""
        return self._ask("wait", str(process))

    def _ask(self, what: str, argument: str, more: Mapping[str, str] | None = None) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, argument, more or {}]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def runs(process: int) -> bool:
    """Whether a process still runs; one that has ended is there until it is waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def fork_alone() -> None:
    """Let no process be forked while a command is begun.

    A worker that is forked, and not spawned, would hold the pipe by which the begun command says that it runs.
    """
    alone = threading.Lock()
    os.register_at_fork(before=alone.acquire, after_in_parent=alone.release, after_in_child=alone.release)
    begin = subprocess.Popen._execute_child

    def begin_alone(*arguments):
        with alone:
            begin(*arguments)

    subprocess.Popen._execute_child = begin_alone


def main() -> None:
    from classifyd import plugins
    from classifyd.cli.options import load_config
    from classifyd.service import serve

    plugins.load()
    fork_alone()
    for line in sys.stdin:
        what, argument, more = json.loads(line)
        if what == "wait":
            answer = os.waitstatus_to_exitcode(os.waitpid(int(argument), 0)[1])
        elif (answer := os.fork()) == 0:
            os.environ.update(more)
            os._exit(_daemon(Path(argument), load_config, lambda config: serve(config, once=what == "once")))  # noqa: B023  # at once
        print(answer, flush=True)


def _daemon(root: Path, load_config, run) -> int:
    log = os.open(root / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(root)
    _wait_for_orphans(root / "state/lock")
    fork = multiprocessing.get_context("fork")
    multiprocessing.get_context = lambda _=None: fork
    try:
        return run(load_config(root / "config.toml"))
    except ClassifydError as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit_code
    except Exception as error:  # noqa: BLE001  # whatever ends a daemon is for the judge to see
        print(repr(error), file=sys.stderr, flush=True)
        return CRASHED


def _wait_for_orphans(lock: Path) -> None:
    """A forked worker, unlike a spawned one, holds its daemon's lock until it has noticed that this was killed."""
    with contextlib.suppress(FileNotFoundError, Timeout), FileLock(lock, timeout=ORPHANED_SECONDS):
        pass


if __name__ == "__main__":
    main()
