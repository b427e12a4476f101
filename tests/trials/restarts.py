"""Starts of the daemon by the thousand: each in a process forked from one that has its modules loaded already.

What runs is what `classifyd run --once` runs; only its workers are forked, too, instead of spawned.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self


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

    def once(self, root: Path) -> int:
        """Run the daemon of a folder until its inboxes are drained, its log in the file `log`; the exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{root}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def main() -> None:
    from classifyd import pipeline
    from classifyd.cli.options import load_config
    from classifyd.service import serve

    pipeline._own()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_daemon(Path(line.strip()), load_config, serve))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _daemon(root: Path, load_config, serve) -> int:
    log = os.open(root / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(root)
    fork = multiprocessing.get_context("fork")
    multiprocessing.get_context = lambda _=None: fork
    try:
        return serve(load_config(root / "config.toml"), once=True)
    except Exception as error:  # noqa: BLE001  # whatever ends a daemon is for the judge to see
        print(repr(error), file=sys.stderr, flush=True)
        return 99


if __name__ == "__main__":
    main()
