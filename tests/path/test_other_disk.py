"""Done and quarantine folders on another file system than the inbox: a rename does not lead there."""

import json
import shutil
import signal
import sqlite3
import tempfile
from pathlib import Path

import pytest
from daemons import wait_until

BINARY = bytes(range(256)) * 4
STEPS = ("copies.copy_into", "ledger.copied", "ledger.retired")


@pytest.fixture
def elsewhere(tmp_path):
    """A folder on another file system than the test's own."""
    here = tmp_path.stat().st_dev
    roots = [root for root in (Path("/dev/shm"), Path("/tmp"), Path.home()) if root.is_dir()]
    other = next((root for root in roots if root.stat().st_dev != here), None)
    if other is None:
        pytest.skip("there is only one file system here")
    folder = Path(tempfile.mkdtemp(dir=other, prefix="classifyd-"))
    yield folder
    shutil.rmtree(folder)


def names(folder):
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


@pytest.mark.parametrize("step", [*STEPS, "removals.move"])
def test_an_input_that_retires_to_another_file_system_is_there_once_wherever_the_daemon_is_killed(
    place, elsewhere, step
):
    here = place(done=str(elsewhere / "done"))
    for when in ("before", "after"):
        here.drop(f"{when}.txt", "hello")
        assert -9 == here.once(more={"DIE": f"{when} {step}"}), here.log()
        assert 0 == here.once(), here.log()

    assert {"before.txt", "after.txt"} == names(elsewhere / "done")
    assert {"before.txt.jsonl", "after.txt.jsonl"} == here.files("out")
    assert [] == here.claimed()


@pytest.mark.parametrize("step", [*STEPS[:-1], "removals.quarantine"])
def test_an_input_that_is_quarantined_on_another_file_system_is_there_once_wherever_the_daemon_is_killed(
    place, elsewhere, step
):
    here = place()
    config = here.root / "config.toml"
    config.write_text(config.read_text().replace('quarantine = "quarantine"', f'quarantine = "{elsewhere}/quarantine"'))
    for when in ("before", "after"):
        here.drop(f"{when}.txt", BINARY)
        assert -9 == here.once(more={"DIE": f"{when} {step}"}), here.log()
        assert here.once() in {0, 1}, here.log()

    files = {"before.txt", "after.txt"}
    assert files | {f"{name}.reason.json" for name in files} == names(elsewhere / "quarantine")
    assert all((elsewhere / "quarantine" / name).read_bytes() == BINARY for name in files)
    assert [] == here.claimed()


def test_a_long_copy_keeps_nobody_waiting_and_is_begun_again_after_a_stop(place, elsewhere):
    here = place(done=str(elsewhere / "done"))
    process = here.start(more={"SLOW_COPYING": "600"})
    for name in ("a.txt", "b.txt"):
        here.drop(name, "hello")
        wait_until(lambda name=name: f"{name}.jsonl" in here.files("out"), place=here)
    assert set() == names(elsewhere / "done")
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: '"event": "reloaded"' in here.log(), place=here)
    here.drop("c.txt", "hello")
    wait_until(lambda: "c.txt.jsonl" in here.files("out"), place=here)
    assert 0 == here.stop(process)

    assert 0 == here.once()
    assert {"a.txt", "b.txt", "c.txt"} == names(elsewhere / "done")
    assert {"a.txt.jsonl", "b.txt.jsonl", "c.txt.jsonl"} == here.files("out")
    assert "hello" == (elsewhere / "done/a.txt").read_text()


def unmount(here):
    """What a start finds where the disk is not mounted: an empty folder."""
    (here.root / "mnt").unlink()
    (here.root / "mnt").mkdir()


def mount(here, disk):
    shutil.rmtree(here.root / "mnt", ignore_errors=True)
    (here.root / "mnt").symlink_to(disk)


@pytest.fixture
def office(place, elsewhere):
    """A place whose done and quarantine folders are on another disk."""
    here = place(done="mnt/done")
    config = here.root / "config.toml"
    config.write_text(config.read_text().replace('quarantine = "quarantine"', 'quarantine = "mnt/quarantine"'))
    mount(here, elsewhere)
    return here


@pytest.mark.parametrize(("content", "folder"), [("hello", "done"), (BINARY, "quarantine")])
def test_an_input_whose_copy_is_away_with_its_disk_waits_for_it(office, elsewhere, content, folder):
    office.drop("a.txt", content)
    assert -9 == office.once(more={"DIE": "before removals.look"}), office.log()
    assert 1 == len([path for path in (elsewhere / folder).iterdir() if path.suffix == ".copy"])
    unmount(office)

    assert 1 == office.once(), office.log()
    assert ["a.txt"] == [path.name for path in office.claimed()]
    assert "mount the disk that it was copied to" in office.log()
    assert set() == names(office.root / "mnt" / folder)

    mount(office, elsewhere)
    assert (0 if folder == "done" else 1) == office.once(), office.log()
    assert {"a.txt"} == {name for name in names(elsewhere / folder) if not name.endswith(".json")}
    assert [] == office.claimed()


@pytest.mark.parametrize("name", ["a.txt", f"{'a' * 245}.txt"])
@pytest.mark.parametrize(("content", "folder"), [("hello", "done"), (BINARY, "quarantine")])
def test_a_copy_that_got_its_name_before_a_kill_is_told_of_by_that_name(office, elsewhere, content, folder, name):
    office.drop(name, content)
    step = "removals.move" if folder == "done" else "removals.quarantine"
    assert -9 == office.once(more={"DIE": f"after {step}"}), office.log()
    assert (0 if folder == "done" else 1) == office.once(), office.log()

    (there,) = (path for path in (elsewhere / folder).iterdir() if path.suffix == ".txt")
    if folder == "done":
        with sqlite3.connect(office.root / "state/ledger.sqlite") as ledger:
            ((told,),) = ledger.execute("SELECT place FROM inputs")
    else:
        (told,) = (
            json.loads(line)["place"].encode() for line in office.log().splitlines() if '"event": "quarantined"' in line
        )
    assert f"{office.root}/mnt/{folder}/{there.name}".encode() == told
    assert [] == office.claimed()


def test_an_input_whose_copy_was_taken_away_before_it_was_through_waits_for_a_word(office, elsewhere):
    office.drop("a.txt", "hello")
    assert -9 == office.once(more={"DIE": "after removals.move"}), office.log()
    (elsewhere / "done/a.txt").unlink()
    assert 1 == office.once(), office.log()

    (original,) = office.claimed()
    assert f"remove {original}" in office.log()
    original.unlink()
    assert 0 == office.once(), office.log()
    assert set() == names(elsewhere / "done")
    assert {"a.txt.jsonl"} == office.files("out")
