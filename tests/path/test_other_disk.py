"""Done and quarantine folders on another file system than the inbox: a rename does not lead there."""

import shutil
import signal
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
