"""`classifyd status --watch` shows in a terminal what the status page shows."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from console import CLASSIFYD, Run

SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A terminal in which a command runs; `shown` is what it has printed, without colours."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self._master = master
        self.process = process
        self._raw = b""

    @property
    def shown(self) -> str:
        return SEQUENCE.sub("", self._raw.decode("utf-8", "replace"))

    def wait_for(self, *words: str) -> None:
        """Until all of them have been shown."""
        deadline = time.monotonic() + 60
        while not all(word in self.shown for word in words):
            assert time.monotonic() < deadline, [word for word in words if word not in self.shown] + [self.shown]
            if select.select([self._master], [], [], 0.5)[0]:
                self._raw += os.read(self._master, 65536)

    def ended(self) -> int:
        """Its exit code, waited for; what it prints until then is read, or it would wait for that."""
        deadline = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < deadline:
            if select.select([self._master], [], [], 0.1)[0]:
                with suppress(OSError):  # it has closed its end
                    self._raw += os.read(self._master, 65536)
        return self.process.wait(0)


@contextmanager
def terminal(office: Path, environ: dict[str, str], *, rows: int = 60, columns: int = 120) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    # Who is tested in the background ignores the signal, and so would the command.
    command = ["env", "--default-signal=INT", CLASSIFYD, "status", "--watch", "--config", office / "config.toml"]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environ)
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)


@pytest.fixture
def environ(plugins: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CLASSIFYD_")}
    return clean | {"PYTHONPATH": str(plugins), "TERM": "xterm-256color", "LANG": "C.UTF-8"}


def test_it_shows_throughput_labels_results_and_the_quarantine_and_goes_on_looking(
    run: Run, office: Path, environ: dict[str, str]
) -> None:
    (office / "in" / "rows.jsonl").write_text("".join(json.dumps({"text": f"Row {n}"}) + "\n" for n in range(3)))
    (office / "in" / "\x1b[2Jbad.txt").write_bytes(bytes(range(256)))
    assert run("run", "--once", "--config", office / "config.toml").returncode == 1
    with terminal(office, environ) as seen:
        seen.wait_for(
            "Throughput  ", "▏now", "shouting", "calm 100.0 %", "Quarantine  1 file;", "looks like binary data",
            "Newest results", "all/rows.jsonl  shouting calm 1.00", "Row 2",
        )  # fmt: skip
        assert "\\x1b[2Jbad.txt" in seen.shown, "a name moves nobody's cursor"
        (office / "in" / "later.txt").write_text("HELLO")
        assert run("run", "--once", "--config", office / "config.toml").returncode == 0
        seen.wait_for("4 records", "all/later.txt  shouting loud 1.00", "calm 75.0 %  loud 25.0 %")
        seen.process.send_signal(signal.SIGINT)
        assert seen.ended() == 130


def test_on_a_small_terminal_no_number_and_no_head_of_a_column_is_broken(
    run: Run, office: Path, environ: dict[str, str]
) -> None:
    (office / "in" / "a.txt").write_text("HELLO")
    assert run("run", "--once", "--config", office / "config.toml").returncode == 0
    with terminal(office, environ, rows=24, columns=80) as seen:
        seen.wait_for("waiting   claimed   done   quarantined   records   errors   review", "loud 100.0 %")
        assert "records/s" not in seen.shown


def test_before_the_first_daemon_there_is_nothing_to_show_and_no_fault(office: Path, environ: dict[str, str]) -> None:
    with terminal(office, environ) as seen:
        seen.wait_for("The daemon is not running.", "0 records in the last hour")
        assert "Newest results" not in seen.shown
