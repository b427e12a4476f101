"""Outputs have the mode, owner and group that their inbox asks for, from the moment that they have their names."""

import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from daemons import wait_until

CLASSIFYD = Path(sys.executable).with_name("classifyd")
ROOT = os.geteuid() == 0
OWNER, GROUP = (1234, 5678) if ROOT else (os.geteuid(), os.getegid())
ACCESS = f'output_mode = "0640"\noutput_owner = {OWNER}\noutput_group = "{GROUP}"'


def access(path):
    status = path.lstat()
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid


class Reader(threading.Thread):
    """Looks at every output as soon as it has its name, again and again."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.seen, self.looked, self.ended = folder, set(), 0, threading.Event()

    def run(self):
        while not self.ended.is_set():
            for path in self.folder.glob("*.jsonl"):
                self.seen.add(access(path))
                self.looked += 1


def test_no_reader_ever_sees_an_output_with_another_mode_or_owner(place):
    here = place(more=ACCESS)
    for number in range(200):
        here.drop(f"{number}.txt", "hello")
    reader = Reader(here.root / "out")
    reader.start()
    try:
        assert 0 == here.once(), here.log()
    finally:
        reader.ended.set()
        reader.join()
    assert reader.looked > 0
    assert {(0o640, OWNER, GROUP)} == reader.seen | {access(path) for path in (here.root / "out").glob("*.jsonl")}
    assert 200 == len(here.files("out"))


def test_folders_made_for_outputs_let_those_in_who_may_read_and_stay_the_daemons(place):
    here = place(more=ACCESS + "\nrecursive = true")
    here.drop("a/b/c.txt", "hello")
    assert 0 == here.once(), here.log()
    folders = [here.root / "out", here.root / "out/a", here.root / "out/a/b"]
    assert [(0o750, os.geteuid(), GROUP)] * 3 == [access(folder) for folder in folders]
    assert (0o640, OWNER, GROUP) == access(here.root / "out/a/b/c.txt.jsonl")
    [results] = (here.root / "out/.classifyd").iterdir()
    assert 0o700 == access(results)[0], "what waits for its name is nobody's to read"


def test_an_inbox_that_says_nothing_follows_the_daemon_and_an_empty_word_takes_it_back(place):
    here = place(daemon='output_mode = "0600"')
    here.drop("a.txt", "hello")
    assert 0 == here.once(), here.log()
    config = here.root / "config.toml"
    config.write_text(config.read_text().replace('name = "in"', 'name = "in"\noutput_mode = ""'))
    here.drop("b.txt", "hello")
    os.umask(before := os.umask(0))
    assert 0 == here.once(), here.log()
    modes = [access(here.root / f"out/{name}.txt.jsonl")[0] for name in "ab"]
    assert [0o600, 0o666 & ~before] == modes


@pytest.mark.parametrize("step", ["publish.grant", "ledger.intend", "moves.rename_exclusive"])
def test_wherever_the_daemon_is_killed_the_output_has_its_mode(place, step):
    here = place(more=ACCESS)
    for when in ("before", "after"):
        here.drop(f"{when}.txt", "hello")
        assert -9 == here.once(more={"DIE": f"{when} {step}"}), here.log()
        assert 0 == here.once(), here.log()
        assert (0o640, OWNER, GROUP) == access(here.root / f"out/{when}.txt.jsonl")


def test_a_file_system_that_refuses_keeps_the_answer_until_it_is_mended(place):
    here = place(more=ACCESS)
    (here.root / "ungiven").touch()
    (here.root / "out").mkdir()
    here.drop("a.txt", "hello")
    here.start(more={"UNGIVEN": "1", "HOLD_SECONDS": "0.2"})
    wait_until(lambda: "cannot be given mode 0640" in here.log(), place=here)
    assert set() == here.files("out")
    assert 1 == len(here.claimed())
    (here.root / "ungiven").unlink()
    wait_until(lambda: "a.txt.jsonl" in here.files("out"), place=here)
    assert (0o640, OWNER, GROUP) == access(here.root / "out/a.txt.jsonl")
    assert 0 == here.stop(here.processes[-1])


def test_who_may_not_give_files_away_is_told_before_anything_is_taken(place):
    if ROOT and shutil.which("setpriv") is None:
        pytest.skip("there is no setpriv to give up a right with")
    here = place(more='output_owner = 1\noutput_group = "4242"')
    weak = ["setpriv", "--bounding-set", "-chown"] if ROOT else []
    for command, code in (("run", 78), ("doctor", 1)):
        told = subprocess.run(
            [*weak, str(CLASSIFYD), command, "--config", str(here.root / "config.toml")],
            capture_output=True, text=True, check=False, env=here.environment(), cwd=here.root,
        )  # fmt: skip
        said = " ".join((told.stdout + told.stderr).split())
        assert code == told.returncode, said
        assert "may not give files away" in said
        assert "is not in; put the user into it" in said
