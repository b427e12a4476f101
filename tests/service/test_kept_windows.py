"""The window of drift is kept in the state folder now and then, and what is wrong with the disk stops nobody."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny import make_bundle

from classifyd.bundles import Store
from classifyd.config import Config, DaemonConfig
from classifyd.reports import Profile
from classifyd.service.drifting import FILE, Drifting

CONFIG = Config(None, Path("no-models"), DaemonConfig(Path("no-state")), ())


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
    drifting.seen([profile(150), profile(70, version=3), profile(151)], CONFIG)
    drifting.keep(tmp_path)
    assert windows(remembered(tmp_path)) == windows(drifting)
    assert len(windows(drifting)["spam", 2]) == 2


def test_it_is_written_once_a_minute_and_at_the_end_and_not_where_nothing_came(tmp_path: Path) -> None:
    drifting = remembered(tmp_path)
    drifting.keep(tmp_path, at_once=True)
    assert not (tmp_path / FILE).exists()
    drifting.seen([profile(1)], CONFIG)
    drifting.keep(tmp_path)
    drifting.seen([profile(1)], CONFIG)
    drifting.keep(tmp_path)
    [[block]] = windows(remembered(tmp_path)).values()
    assert block.records == 1
    drifting.keep(tmp_path, at_once=True)
    [[block]] = windows(remembered(tmp_path)).values()
    assert block.records == 2


def test_a_window_of_this_process_is_newer_than_the_one_on_the_disk(tmp_path: Path) -> None:
    before = remembered(tmp_path)
    before.seen([profile(5)], CONFIG)
    before.keep(tmp_path)
    drifting = Drifting()
    drifting.seen([profile(7)], CONFIG)
    drifting.remember(tmp_path)
    [[block]] = windows(drifting).values()
    assert block.records == 7


@pytest.mark.parametrize("damage", [b"", b"[]", b"\xff", b'{"windows": [{}], "sha256": "0"}', b"[" * 100_000])
def test_a_damaged_file_is_none(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / FILE).write_bytes(damage)
    assert windows(remembered(tmp_path)) == {}


def test_a_disk_that_refuses_is_tried_again_and_the_file_before_stays(tmp_path: Path) -> None:
    drifting = remembered(tmp_path)
    drifting.seen([profile(1)], CONFIG)
    drifting.keep(tmp_path)
    drifting.seen([profile(1)], CONFIG)
    draft = tmp_path / f".{FILE}"
    draft.mkdir()
    drifting.keep(tmp_path, at_once=True)
    assert len(windows(remembered(tmp_path))) == 1
    draft.rmdir()
    drifting.keep(tmp_path, at_once=True)
    [[block]] = windows(remembered(tmp_path)).values()
    assert block.records == 2


def test_a_plugin_that_makes_up_labels_fills_neither_memory_nor_disk(tmp_path: Path) -> None:
    drifting = Drifting()
    for job in range(60):
        made_up = {f"label {job} {number}": 1 for number in range(2000)}
        drifting.seen([Profile("made", 1, 100, made_up, 1800.0)], CONFIG)
    drifting.keep(tmp_path)
    assert (tmp_path / FILE).stat().st_size < 250_000
    assert windows(remembered(tmp_path)) == windows(drifting)


def test_labels_of_the_baseline_are_told_apart_however_many_they_are(tmp_path: Path) -> None:
    labels = [f"kind {number}" for number in range(300)]
    make_bundle(Store(tmp_path), "topic", labels, baseline={"labels": dict.fromkeys(labels, 1)})
    drifting = Drifting()
    drifting.seen([Profile("topic", 1, 300, dict.fromkeys(labels, 1), 270.0)], replace(CONFIG, models=tmp_path))
    [[block]] = windows(drifting).values()
    assert block.labels == dict.fromkeys(labels, 1)
