"""A folder is known again by its landmark, and none is given while it is not known what became of an answer there."""

from pathlib import Path

import pytest

from classifyd.errors import DiskFault
from classifyd.jobs import Claim
from classifyd.ledger import Entry, Ledger
from classifyd.reports import PartReport
from classifyd.service.landmarks import Landmarks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    (tmp_path / "answers").mkdir()
    return tmp_path / "answers"


@pytest.fixture
def ledger(folder: Path) -> Ledger:
    return Ledger(folder.parent / "state/ledger.sqlite")


def again(folder: Path, ledger: Ledger) -> Landmarks:
    """What the next start knows."""
    return Landmarks(folder.parent / "state", ledger)


def intend(ledger: Ledger, part: Path) -> None:
    claim = Claim("c1", "in", "a.txt", "/in/a.txt", 1, 1, 1.0)
    with ledger.commit():
        ledger.claimed(Entry(claim, "claimed", {}, 1, "a.txt.jsonl"))
        ledger.intend("c1", str(part), PartReport("c1", 0))


def test_a_folder_is_known_after_a_start_and_one_in_its_place_is_not(folder: Path, ledger: Ledger) -> None:
    again(folder, ledger).give(folder)
    assert again(folder, ledger).stands(folder)

    folder.rename(folder.with_name("away"))
    folder.mkdir()
    assert not again(folder, ledger).stands(folder)
    again(folder, ledger).give(folder)
    other = folder.rename(folder.with_name("other"))
    folder.with_name("away").rename(folder)
    assert not again(folder, ledger).stands(folder), "that landmark no longer counts"
    again(folder, ledger).give(folder)
    assert (1, 1) == (len(list(folder.iterdir())), len(list(other.iterdir())))


def test_no_other_folder_is_given_a_landmark_while_an_answer_is_missing(folder: Path, ledger: Ledger) -> None:
    part = folder / "c1.part"
    part.touch()
    again(folder, ledger).give(folder)
    intend(ledger, part)
    folder.rename(folder.with_name("away"))
    folder.mkdir()

    with pytest.raises(DiskFault, match="mount the disk"):
        again(folder, ledger).give(folder)
    assert [] == list(folder.iterdir())
    part.touch()
    again(folder, ledger).give(folder)
    assert again(folder, ledger).stands(folder)


def test_names_that_were_lost_make_nobody_believe_an_answer_was_published(folder: Path, ledger: Ledger) -> None:
    again(folder, ledger).give(folder)
    (folder.parent / "state/landmarks.json").write_text("[")

    landmarks = again(folder, ledger)
    assert not landmarks.stands(folder)
    (landmark,) = str(landmarks.missed(folder)).split(": gone")[:1]
    assert landmark in str(again(folder, ledger).missed(folder)), "it stays the same folder that is to be made"
    Path(landmark).mkdir()
    assert again(folder, ledger).stands(folder)
