import errno
import multiprocessing
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import Timeout

from classifyd.errors import DiskFault
from classifyd.inbox.claims import ClaimFolder
from classifyd.inbox.scan import look


@pytest.fixture
def held(tmp_path):
    folder = ClaimFolder("mail", tmp_path, "one")
    folder.hold()
    yield folder
    folder.release()


def drop(root, name, text="x"):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return look(str(path), name)


def test_a_claim_keeps_the_path_below_the_inbox(tmp_path, held):
    claim = held.claim(drop(tmp_path, "sub/a.txt"))

    assert f"{held.folder}/{claim.id}/sub/a.txt" == claim.path
    assert not (tmp_path / "sub/a.txt").exists()


@pytest.fixture
def fsynced(monkeypatch):
    """The folders that were put on the disk, by what they are on it."""
    found = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (found.append(os.fstat(descriptor).st_ino), real(descriptor)))
    return found


def test_a_claims_folders_are_put_on_the_disk_and_so_is_the_one_it_came_from(tmp_path, held, fsynced):
    claims = [held.claim(drop(tmp_path, f"sub/{name}.txt")) for name in "ab"]
    inside = held.folder / claims[0].id
    assert {held.folder, inside, inside / "sub"} == set(held.made_for(claims[0]))

    fsynced.clear()
    held.fsync_left(claims)
    assert [(tmp_path / "sub").stat().st_ino] == fsynced


@pytest.mark.parametrize("instead", ["nothing", "a file", "a link", "a link to where nothing can be fsynced"])
def test_a_folder_that_an_input_came_from_and_that_is_another_thing_now_is_left_alone(tmp_path, held, fsynced, instead):
    claim = held.claim(drop(tmp_path, "sub/a.txt"))
    (tmp_path / "sub").rmdir()
    match instead:
        case "a file":
            (tmp_path / "sub").touch()
        case "a link":
            (tmp_path / "sub").symlink_to(tmp_path)
        case "a link to where nothing can be fsynced":
            (tmp_path / "sub").symlink_to("/proc")

    fsynced.clear()
    held.fsync_left([claim])
    assert [] == fsynced


def test_a_folder_that_an_input_came_from_and_that_was_closed_is_put_on_the_disk_with_all_else(
    tmp_path, held, monkeypatch
):
    claim = held.claim(drop(tmp_path, "sub/a.txt"))
    real, synced = os.open, []

    def closed(path, *arguments, **options):
        if path == "sub":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", closed)
    monkeypatch.setattr(os, "sync", lambda: synced.append("all"))
    held.fsync_left([claim])
    assert ["all"] == synced


def test_a_second_claim_of_the_same_file_gets_nothing(tmp_path, held):
    found = drop(tmp_path, "a.txt")

    assert held.claim(found) is not None
    assert held.claim(found) is None


def test_of_many_claims_at_once_exactly_one_wins(tmp_path):
    folders = [ClaimFolder("mail", tmp_path, str(number)) for number in range(8)]
    for folder in folders:
        folder.hold()
    for number in range(50):
        found = drop(tmp_path, f"{number}.txt")
        with ThreadPoolExecutor(8) as pool:
            claims = list(pool.map(lambda folder, found=found: folder.claim(found), folders))
        assert 1 == sum(claim is not None for claim in claims)
    for folder in folders:
        folder.release()


def test_claims_are_found_again_without_a_ledger_and_empty_leftovers_go(tmp_path, held):
    claim = held.claim(drop(tmp_path, "sub/a.txt"))
    (held.folder / "leftover/sub").mkdir(parents=True)

    assert [(claim.id, "sub/a.txt")] == [(found.id, found.name) for found in held.found()]
    assert not (held.folder / "leftover").exists()


def nothing(claim):
    """A ledger that knows no claim."""
    return False


def _hold_and_die(root, *, marked=False):
    folder = ClaimFolder("mail", root, "two")
    folder.hold()
    claim = folder.claim(look(str(root / "a.txt"), "a.txt"))
    if marked:
        folder.mark([claim])
        folder.mark([claim])
    os._exit(9)


def die_holding(root, *, marked):
    process = multiprocessing.get_context("spawn").Process(
        target=_hold_and_die, args=(root,), kwargs={"marked": marked}
    )
    process.start()
    process.join()
    assert 9 == process.exitcode


def test_claims_of_a_daemon_that_died_are_adopted(tmp_path, held):
    drop(tmp_path, "a.txt")
    die_holding(tmp_path, marked=False)

    assert 1 == held.adopt(nothing)
    assert ["a.txt"] == [claim.name for claim in held.found()]


def test_a_marked_claim_of_a_daemon_that_died_is_left_to_it_unless_the_ledger_knows_it(tmp_path, held):
    drop(tmp_path, "a.txt")
    die_holding(tmp_path, marked=True)

    assert 0 == held.adopt(nothing)
    assert [] == list(held.found())
    (place,) = held.unsure
    assert tmp_path / ".classifyd/two" == place.parent
    assert {"a.txt", ".intent"} == {path.name for path in place.iterdir()}

    assert 1 == held.adopt(lambda claim: claim == place.name)
    assert [] == held.unsure
    assert ["a.txt"] == [claim.name for claim in held.found()]


def test_a_marked_claim_is_forgotten_with_its_mark(tmp_path, held):
    claim = held.claim(drop(tmp_path, "sub/a.txt"))
    held.mark([claim])
    Path(claim.path).unlink()

    held.forget(claim)
    assert [] == list(held.folder.iterdir())


def test_claims_of_a_living_daemon_are_left_alone(tmp_path, held):
    other = ClaimFolder("mail", tmp_path, "two")
    other.hold()
    other.claim(drop(tmp_path, "a.txt"))

    assert 0 == held.adopt(nothing)
    with pytest.raises(Timeout):
        ClaimFolder("mail", tmp_path, "two").hold()
    other.release()


def test_claims_in_an_inbox_that_was_removed_and_made_again_are_locked_as_well(tmp_path):
    root = tmp_path / "in"
    root.mkdir()
    held, other = ClaimFolder("mail", root, "one"), ClaimFolder("mail", root, "two")
    held.hold()
    shutil.rmtree(root)
    claim = held.claim(drop(root, "a.txt"))

    other.hold()
    assert 0 == other.adopt(nothing)
    with pytest.raises(Timeout):
        ClaimFolder("mail", root, "one").hold()
    assert [claim.id] == [found.id for found in held.found()]


def test_what_another_process_holds_in_an_inbox_that_was_made_again_is_not_claimed(tmp_path):
    root = tmp_path / "in"
    root.mkdir()
    held, again = ClaimFolder("mail", root, "one"), ClaimFolder("mail", root, "one")
    held.hold()
    shutil.rmtree(root)
    found = drop(root, "a.txt")
    again.hold()

    for _ in range(2):
        with pytest.raises(DiskFault, match="another process holds it"):
            held.claim(found)
    again.release()
    assert held.claim(found) is not None
