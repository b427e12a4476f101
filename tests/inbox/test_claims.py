import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from filelock import Timeout

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


def test_a_claims_folders_are_safe_from_the_outermost_in_before_the_one_it_came_from(tmp_path, held):
    claim = held.claim(drop(tmp_path, "sub/a.txt"))

    inside = held.folder / claim.id
    assert {held.folder, inside, inside / "sub"} == set(held.made_for(claim))
    assert [tmp_path / "sub"] == held.left_by(claim)


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


def _hold_and_die(root):
    folder = ClaimFolder("mail", root, "two")
    folder.hold()
    folder.claim(look(str(root / "a.txt"), "a.txt"))
    os._exit(9)


def test_claims_of_a_daemon_that_died_are_adopted(tmp_path, held):
    drop(tmp_path, "a.txt")
    process = multiprocessing.get_context("spawn").Process(target=_hold_and_die, args=(tmp_path,))
    process.start()
    process.join()

    assert 1 == held.adopt()
    assert ["a.txt"] == [claim.name for claim in held.found()]


def test_claims_of_a_living_daemon_are_left_alone(tmp_path, held):
    other = ClaimFolder("mail", tmp_path, "two")
    other.hold()
    other.claim(drop(tmp_path, "a.txt"))

    assert 0 == held.adopt()
    with pytest.raises(Timeout):
        ClaimFolder("mail", tmp_path, "two").hold()
    other.release()
