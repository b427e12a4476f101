"""Waiting for the disk side by side: each item has its turn, whatever fails."""

import threading
from pathlib import Path

import pytest

from classifyd.disk import FEW, fsync_folders, side_by_side


@pytest.mark.parametrize("count", [0, 1, FEW, FEW + 1, 200])
def test_every_item_has_its_turn_once(count: int) -> None:
    done: list[int] = []
    side_by_side(done.append, range(count))
    assert sorted(done) == list(range(count))


@pytest.mark.parametrize("count", [3, 100])
def test_an_error_is_raised_once_all_have_had_their_turn(count: int) -> None:
    done: list[int] = []

    def wait(number: int) -> None:
        done.append(number)
        if number == 1:
            raise OSError(5, "the disk is broken")

    with pytest.raises(OSError, match="broken"):
        side_by_side(wait, range(count))
    assert sorted(done) == list(range(count))


def test_without_memory_for_threads_one_does_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    done: list[int] = []
    side_by_side(done.append, range(100))
    assert done == list(range(100))


def test_outer_folders_come_before_what_lies_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    seen: list[Path] = []
    monkeypatch.setattr("classifyd.disk.fsync_folder", seen.append)
    fsync_folders([inner, tmp_path, inner.parent, inner])
    assert seen == [tmp_path, inner.parent, inner]
