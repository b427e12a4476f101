"""Daemons in half the time: each is forked from a process that has the daemon's modules loaded already.

What runs is `classifyd run`, from its arguments on, and its workers are spawned as ever. What Python itself reads from
the environment when it begins cannot be given to such a daemon: see `fits`.

Run as a script, this is that process: a line on standard input has a daemon started or waited for, its end ends it.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

PLUGIN = Path(__file__).parent / "plugin"
INTERPRETER = {"PYTHONPATH": str(PLUGIN), "PYTHONWARNINGS": "default"}


class Forked:
    """A daemon that was forked, with what tests use of subprocess.Popen."""

    def __init__(self, pid: int, ask: Callable[..., int]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ask = ask
        self._pidfd = os.pidfd_open(pid)  # it cannot have gone: only when it is asked for is it waited for

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            ended, _, _ = select.select([self._pidfd], [], [], timeout)
            if not ended:
                raise subprocess.TimeoutExpired(f"daemon {self.pid}", timeout or 0)
            os.close(self._pidfd)
            self.returncode = self._ask("wait", self.pid)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._pidfd, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The process that daemons are forked from; it ends with the one that made it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **INTERPRETER},
        )

    def start(self, arguments: list[str], cwd: Path, environment: Mapping[str, str], output: Path) -> Forked:
        """Run `classifyd` with these arguments in a session of its own; what it prints is added to a file."""
        return Forked(self._ask("start", arguments, str(cwd), dict(environment), str(output)), self._ask)

    def _ask(self, *question: object) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@cache
def nursery() -> Nursery:
    """The one of this process."""
    return Nursery()


def fits(environment: Mapping[str, str]) -> bool:
    """Whether a daemon with this environment can be forked: Python has read there what it would read now."""
    names = {name for name in {*environment, *os.environ} if name.startswith("PYTHON")}
    return all(environment.get(name) == {**os.environ, **INTERPRETER}.get(name) for name in names)


# ---------------------------------------------------------------------- the process itself


def main() -> None:
    import classifyd.cli.run
    import classifyd.service  # noqa: F401  # the modules are what it is for

    for line in sys.stdin:
        what, *arguments = json.loads(line)
        if what == "wait":
            answer = os.waitstatus_to_exitcode(os.waitpid(*arguments, 0)[1])
        elif (answer := os.fork()) == 0:
            become_daemon(*arguments)
        print(answer, flush=True)


def become_daemon(arguments: list[str], cwd: str, environment: dict[str, str], output: str) -> None:
    """Forget whose child this is, as far as Python lets one, and be the console command."""
    import multiprocessing.process

    import sitecustomize

    import classifyd.cli

    os.setsid()
    os.chdir(cwd)
    nothing, log = os.open(os.devnull, os.O_RDONLY), os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    os.environ.clear()
    # Coverage goes on here by itself; workers are killed before they could write down what they covered.
    os.environ.update({name: value for name, value in environment.items() if not name.startswith("COVERAGE_")})
    time.tzset()
    multiprocessing.process.ORIGINAL_DIR = cwd
    command = str(Path(sys.executable).with_name("classifyd"))
    sys.argv[:] = [command, *arguments]
    sys.modules["__main__"].__file__ = command  # which workers import, to find what the daemon's main module has
    sitecustomize.arm_process()
    sys.exit(classifyd.cli.main())


if __name__ == "__main__":
    main()
