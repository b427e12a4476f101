"""The window of drift is kept in the state folder now and then, and what is wrong with the disk stops nobody."""

from pathlib import Path

import pytest

from classifyd.reports import Profile
from classifyd.service.drifting import FILE, Drifting


def profile(records: int, version: int = 2) -> Profile:
    return Profile("spam", version, records, {"ham": records}, 0.9 * records, 1, 10 * records, 2)


def windows(drifting: Drifting) -> dict[tuple[str, int | None], tuple[Profile, ...]]:
    return {key: window.blocks for key, window in drifting._windows.items()}


def remembered(state: Path) -> Drifting:
    drifting = Drifting()
    drifting.remember(state)
    return drifting


def test_what_was_kept_is_remembered_block_by_block(tmp_path: Path) -> None:
    drifting = remembered(tmp_path)
    drifting.seen([profile(150), profile(70, version=3), profile(151)])
    drifting.keep(tmp_path)
    assert windows(remembered(tmp_path)) == windows(drifting)
    assert len(windows(drifting)["spam", 2]) == 2


def test_it_is_written_once_a_minute_and_at_the_end_and_not_where_nothing_came(tmp_path: Path) -> None:
    drifting = remembered(tmp_path)
    drifting.keep(tmp_path, at_once=True)
    assert not (tmp_path / FILE).exists()
    drifting.seen([profile(1)])
    drifting.keep(tmp_path)
    drifting.seen([profile(1)])
    drifting.keep(tmp_path)
    [[block]] = windows(remembered(tmp_path)).values()
    assert block.records == 1
    drifting.keep(tmp_path, at_once=True)
    [[block]] = windows(remembered(tmp_path)).values()
    assert block.records == 2


def test_a_window_of_this_process_is_newer_than_the_one_on_the_disk(tmp_path: Path) -> None:
    before = remembered(tmp_path)
    before.seen([profile(5)])
    before.keep(tmp_path)
    drifting = Drifting()
    drifting.seen([profile(7)])
    drifting.remember(tmp_path)
    [[block]] = windows(drifting).values()
    assert block.records == 7


@pytest.mark.parametrize("damage", [b"", b"[]", b"\xff", b'{"windows": [{}], "sha256": "0"}', b"[" * 100_000])
def test_a_damaged_file_is_none(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / FILE).write_bytes(damage)
    assert windows(remembered(tmp_path)) == {}


def test_a_disk_that_refuses_is_tried_again_and_the_file_before_stays(tmp_path: Path) -> None:
    drifting = remembered(tmp_path)
    drifting.seen([profile(1)])
    drifting.keep(tmp_path)
    drifting.seen([profile(1)])
    draft = tmp_path / f".{FILE}"
    draft.mkdir()
    drifting.keep(tmp_path, at_once=True)
    assert len(windows(remembered(tmp_path))) == 1
    draft.rmdir()
    drifting.keep(tmp_path, at_once=True)
    [[block]] = windows(remembered(tmp_path)).values()
    assert block.records == 2
