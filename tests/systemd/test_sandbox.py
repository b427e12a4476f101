"""In the sandbox of the shipped unit the shipped models label files, and what the sandbox forbids cannot be done."""

import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "classifyd.service"
SANDBOX = Path(__file__).with_name("sandbox.py")
CLASSIFYD = Path(sys.executable).with_name("classifyd")
CONFIG = """
[daemon]
workers = 1
settle_seconds = 0
log_format = "json"

[[inbox]]
name = "all"
path = "in"
tasks = ["spam", "topic", "ner"]
output = "out"
done = "done"
"""

TRACE = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(0, 0, 0, 0):
    raise OSError(ctypes.get_errno(), "ptrace")
"""


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    # Coverage would want to write where everything is read-only.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    line = [sys.executable, SANDBOX, UNIT, folder, *command]
    return subprocess.run(line, capture_output=True, text=True, check=False, env=environ, timeout=280)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is writable in the sandbox; skips where no sandbox can be made."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing, which knows the groups of system calls")
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("libseccomp is missing")
    if os.geteuid():
        pytest.skip("only root may make mounts")
    made = tmp_path_factory.mktemp("sandbox")
    tried = run(made, "/bin/true")
    if "unshare:" in tried.stderr or "PR_SET_MDWE" in tried.stderr or "mount" in tried.stderr.splitlines()[-1:]:
        pytest.skip(f"no sandbox can be made here: {tried.stderr.splitlines()[-1]}")
    assert tried.returncode == 0, tried.stderr
    return made


def test_the_shipped_models_label_files_in_the_sandbox_of_the_unit(folder: Path) -> None:
    (folder / "config.toml").write_text(CONFIG)
    (folder / "in").mkdir()
    for name in ("prize.txt", "invoice.eml"):
        shutil.copy(ROOT / "examples" / "messages" / name, folder / "in" / name)

    outcome = run(folder, CLASSIFYD, "run", "--once", "--config", folder / "config.toml")

    assert outcome.returncode == 0, outcome.stderr
    answer = json.loads((folder / "out" / "prize.txt.jsonl").read_text())
    assert answer["annotations"]["spam"]["label"] == "spam"
    assert set(answer["annotations"]) == {"spam", "topic", "ner"}
    assert {"prize.txt", "invoice.eml"} == {path.name for path in (folder / "done").iterdir()}


def test_the_page_is_served_over_a_socket_of_systemd_where_there_is_no_network(folder: Path) -> None:
    office = folder / "office"
    (office / "in").mkdir(parents=True)
    (office / "config.toml").write_text(CONFIG.replace('["spam", "topic", "ner"]', '["spam"]'))
    with socket.create_server(("127.0.0.1", 0)) as listening, (folder / "log").open("w") as log:
        # What systemd does: the socket is descriptor 3, and meant for the process that becomes the daemon.
        hand_over = f'exec 3<&{listening.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"'
        line = [sys.executable, SANDBOX, UNIT, folder, CLASSIFYD, "run", "--config", office / "config.toml"]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        command = ["/bin/bash", "-c", hand_over, "bash", *line]
        daemon = subprocess.Popen(command, pass_fds=[listening.fileno()], stderr=log, env=environ)
        try:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            deadline = time.monotonic() + 120
            while answered(f"{url}/ready") != "ready\n":
                assert daemon.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.2)
            assert "classifyd_ready 1.0" in answered(f"{url}/metrics")
        finally:
            daemon.terminate()
            assert daemon.wait(60) == 0


def answered(url: str) -> str:
    try:
        with urlopen(url, timeout=20) as answer:
            return answer.read().decode()
    except OSError:
        return ""


@pytest.mark.parametrize(
    ("deed", "code"),
    [
        ("writes elsewhere", f"open({str(ROOT / 'intruder')!r}, 'w')"),
        ("opens a network socket", "import socket; socket.socket(socket.AF_INET)"),
        ("makes memory executable", "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)"),
        ("gives a file away", "import os; open('gift', 'w'); os.chown('gift', 1, 1)"),
        ("binds itself to a processor", "import os; os.sched_setaffinity(0, {0})"),
        ("traces a process", TRACE),
        ("opens a disk", "import os; os.mknod('disk', 0o60600, os.makedev(254, 0))"),
    ],
)  # fmt: skip
def test_what_the_sandbox_forbids_fails_and_ends_nobody(folder: Path, deed: str, code: str) -> None:
    here = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=folder, check=False)
    if here.returncode:
        pytest.skip(f"not even without a sandbox: {here.stderr.decode().splitlines()[-1]}")
    (ROOT / "intruder").unlink(missing_ok=True)
    (folder / "disk").unlink(missing_ok=True)

    outcome = run(folder, sys.executable, "-c", code)

    assert outcome.returncode == 1, f"it {deed}"
    assert "Errno" in outcome.stderr.splitlines()[-1], outcome.stderr
