import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifyd.inbox import moves


def test_a_rename_never_overwrites(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")

    with pytest.raises(FileExistsError):
        moves.rename_exclusive(str(tmp_path / "a"), str(tmp_path / "b"))

    assert "b" == (tmp_path / "b").read_text()


def test_without_kernel_support_a_link_stands_in_and_never_overwrites(tmp_path, monkeypatch):
    class Old:
        def renameat2(self, *_):
            return -1

    monkeypatch.setattr(moves, "_libc", Old())
    monkeypatch.setattr(moves.ctypes, "get_errno", lambda: errno.EINVAL)
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")

    with pytest.raises(FileExistsError):
        moves.rename_exclusive(str(tmp_path / "a"), str(tmp_path / "b"))
    moves.rename_exclusive(str(tmp_path / "a"), str(tmp_path / "c"))

    assert ["b", "c"] == sorted(path.name for path in tmp_path.iterdir())


def test_a_folder_whose_fsync_failed_is_changed_so_that_the_next_one_writes_it_anew(tmp_path, monkeypatch):
    def refused(_):
        raise OSError(errno.EIO, "refused")

    os.utime(tmp_path, ns=(0, 0))
    with monkeypatch.context() as kernel, pytest.raises(OSError, match="refused"):
        kernel.setattr(os, "fsync", refused)
        moves.fsync_folder(tmp_path)

    assert tmp_path.stat().st_mtime_ns > 0
    assert [] == list(tmp_path.iterdir())


def test_a_move_to_a_taken_name_takes_the_next_free_one(tmp_path):
    for number in range(3):
        (tmp_path / "a.eml").write_text(str(number))
        moves.move(str(tmp_path / "a.eml"), tmp_path / "done", "a.eml")

    assert {"a.eml": "0", "a.1.eml": "1", "a.2.eml": "2"} == {
        p.name: p.read_text() for p in (tmp_path / "done").iterdir()
    }


def test_a_move_across_file_systems_copies_then_removes(tmp_path, monkeypatch):
    rename = moves.rename_entry

    def other_file_system(source, target):
        if not source.name.endswith(".tmp"):
            raise OSError(errno.EXDEV, "other file system")
        rename(source, target)

    monkeypatch.setattr(moves, "rename_entry", other_file_system)
    (tmp_path / "a.txt").write_text("text")

    moved = moves.move(str(tmp_path / "a.txt"), tmp_path / "done", "a.txt")

    assert "text" == moved.read_text()
    assert ["a.txt"] == [path.name for path in (tmp_path / "done").iterdir()]
    assert not (tmp_path / "a.txt").exists()


@given(st.text(min_size=1, max_size=300).filter(lambda name: "/" not in name and "\0" not in name), st.integers(0, 30))
def test_a_fitted_name_fits_and_is_the_same_for_short_names(name, room):
    raw = os.fsencode(name.encode("utf-8", "replace").decode())
    name = os.fsdecode(raw)

    fitted = moves.fitted(name, room)

    assert len(os.fsencode(fitted)) <= 255 - room
    assert fitted == name or len(raw) > 255 - room


def test_long_names_that_differ_at_the_end_stay_different():
    assert moves.fitted("a" * 300 + "1.txt") != moves.fitted("a" * 300 + "2.txt")


def test_a_name_is_shown_without_control_characters_or_broken_bytes():
    assert r"a\nb\x1b[31m\xe9.txt" == moves.shown(os.fsdecode(b"a\nb\x1b[31m\xe9.txt"))
