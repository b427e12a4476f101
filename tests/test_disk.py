"""Files are whole or not there; waiting for the disk side by side, each item has its turn, whatever fails."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from classifyd.disk import FEW, create, fsync_folders, rewrite, side_by_side


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


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes what is written, and finds only then that there is no room."""

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)


def test_a_file_is_rewritten_whole(tmp_path: Path) -> None:
    path = tmp_path / "current"
    rewrite(path, b"2\n")
    (tmp_path / ".current").write_bytes(b"3")  # of one that was killed
    rewrite(path, b"4\n")
    assert path.read_bytes() == b"4\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("full")
def test_what_cannot_be_put_on_the_disk_leaves_the_old_content_and_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "current"
    path.write_bytes(b"2\n")
    with pytest.raises(OSError, match="No space left") as caught:
        rewrite(path, b"3\n")
    assert caught.value.filename == str(path)
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"2\n", [path])


def test_a_file_is_made_once_whoever_comes_first(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 250)
    assert create(path, b"one", 0o600)
    assert not create(path, b"two")
    assert path.read_bytes() == b"one"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("full")
def test_a_file_that_cannot_be_put_on_the_disk_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        create(tmp_path / "note", b"one")
    assert list(tmp_path.iterdir()) == []
