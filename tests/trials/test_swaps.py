"""Races: while a sender swaps an input for a link, a FIFO, another's file or a folder, nothing of another's is read."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from classifyd.api import UnreadableFile
from classifyd.inbox.claims import ClaimFolder
from classifyd.inbox.scan import look
from classifyd.readers import open_source
from classifyd.values import ReadOptions

ROUNDS_LONG = int(os.environ.get("SWAP_ROUNDS", "100000"))
ROUNDS_SHORT = 3000
BLOCKED_SECONDS = 10
SECRET = b"secret"
STRANGERS = ReadOptions(hard_links=False)

SENDER = """
import contextlib, os, random, shutil

def mine(path):
    with open(path, "wb") as file:
        file.write(b"mine")

def taken_back(path):
    os.link("secret/a.txt", path)
    os.unlink(path)

KINDS = [mine, mine, mine, os.mkfifo, os.mkdir, lambda path: os.symlink("../../secret/a.txt", path),
         lambda path: os.link("secret/a.txt", path)]

def remove(path):
    with contextlib.suppress(OSError):
        (shutil.rmtree if os.path.isdir(path) and not os.path.islink(path) else os.unlink)(path)

print("ready", flush=True)
while os.getppid() != 1:
    with contextlib.suppress(OSError):
        for _ in range(20):
            remove("in/.new")
            random.choice(KINDS)("in/.new")
            try:
                os.rename("in/.new", "in/sub/a.txt")
            except OSError:  # a folder, or to be one
                remove("in/sub/a.txt")
                os.rename("in/.new", "in/sub/a.txt")
        # Another's file under the name, for as long as it takes to open it.
        for _ in range(20):
            remove("in/sub/a.txt")
            taken_back("in/sub/a.txt")
    with contextlib.suppress(OSError):
        os.rename("in/sub", "in/.aside")
        os.symlink("../secret", "in/sub")
        os.unlink("in/sub")
    with contextlib.suppress(OSError):
        os.rename("in/.aside", "in/sub")
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/a.txt").write_bytes(SECRET)
    with subprocess.Popen([sys.executable, "-c", SENDER], cwd=tmp_path, stdout=subprocess.PIPE) as sender:
        sender.stdout.readline()
        yield tmp_path
        assert sender.poll() is None, "the sender has ended, and nothing was raced"
        sender.kill()
    assert {"a.txt": SECRET} == {path.name: path.read_bytes() for path in (tmp_path / "secret").iterdir()}


def read(path, below):
    """What a worker would read, or why it refuses to."""
    try:
        with open_source(str(path), "sub/a.txt", STRANGERS, below=str(below)) as source:
            return source.stream.read().decode() or "nothing"
    except (UnreadableFile, FileNotFoundError) as error:
        return str(error)


def opened_in_place(root):
    return read(root / "in/sub/a.txt", root / "in")


def claimed_then_opened(root, held):
    while (found := look(str(root / "in/sub/a.txt"), "sub/a.txt")) is None:
        continue
    claim = held.claim(found)
    if claim is None:
        return "it has moved on"
    told = read(claim.path, root / "in")
    Path(claim.path).unlink()
    held.forget(claim)
    return told


def race(rounds, one):
    """What came of so many rounds; each takes no longer than it takes to open a file."""
    told = Counter()
    longest = 0.0
    for _ in range(rounds):
        started = time.monotonic()
        told[one()] += 1
        longest = max(longest, time.monotonic() - started)
    print(dict(told))
    assert told["mine"], "nothing was ever read, so nothing was raced"
    assert 3 <= len(told), "too little was swapped"
    assert 0 == told["secret"]
    assert longest < BLOCKED_SECONDS
    print(f"{rounds} rounds, {told['mine']} read, {told['secret']} escapes; the longest {longest:.3f} s")


@pytest.mark.parametrize(
    "rounds", [ROUNDS_SHORT, pytest.param(ROUNDS_LONG, marks=[pytest.mark.trial, pytest.mark.timeout(3600)])]
)
def test_a_swap_between_look_and_open_gains_nothing(root, rounds):
    race(rounds, lambda: opened_in_place(root))


@pytest.mark.parametrize(
    "rounds",
    [ROUNDS_SHORT // 10, pytest.param(ROUNDS_LONG // 5, marks=[pytest.mark.trial, pytest.mark.timeout(3600)])],
)
def test_a_swap_between_look_claim_and_open_gains_nothing(root, rounds):
    held = ClaimFolder("in", root / "in", "one")
    held.hold()
    race(rounds, lambda: claimed_then_opened(root, held))
    held.release()
