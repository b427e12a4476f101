"""What lies below a folder is reached without following a link, wherever on the way somebody puts one."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from classifyd import beneath


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.txt").write_text("secret")
    (tmp_path / "root" / "sub").mkdir(parents=True)
    (tmp_path / "root" / "sub" / "a.txt").write_text("mine")
    return tmp_path / "root"


def contents(root: beneath.Root, name: str) -> str:
    descriptor = beneath.open_file(root, name, os.O_RDONLY, alone=True)
    try:
        return os.read(descriptor, 100).decode()
    finally:
        os.close(descriptor)


def test_a_file_is_reached_from_a_path_from_a_link_to_it_and_from_a_descriptor(root: Path) -> None:
    (root.parent / "link").symlink_to(root)
    with beneath.folder(root, "") as descriptor:
        assert [contents(begin, "sub/a.txt") for begin in (root, root.parent / "link", descriptor)] == ["mine"] * 3


@pytest.mark.parametrize("where", ["link/a.txt", "sub/link/a.txt", "sub/a.txt/a.txt"])
def test_a_link_or_a_file_on_the_way_is_refused(root: Path, where: str) -> None:
    (root / "link").symlink_to(root.parent / "elsewhere")
    (root / "sub" / "link").symlink_to(root.parent / "elsewhere")
    with pytest.raises(NotADirectoryError):
        contents(root, where)
    with pytest.raises(NotADirectoryError), beneath.made_folder(root, where):
        pass
    assert [path.name for path in (root.parent / "elsewhere").iterdir()] == ["a.txt"]


def test_a_link_at_the_end_is_refused(root: Path) -> None:
    (root / "link.txt").symlink_to(root.parent / "elsewhere" / "a.txt")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        contents(root, "link.txt")


@pytest.mark.parametrize("name", ["../elsewhere/a.txt", "sub/../../elsewhere/a.txt", "/etc/hostname"])
def test_no_name_leads_out(root: Path, name: str) -> None:
    with pytest.raises(NotADirectoryError):
        contents(root, name)


def test_a_file_of_several_names_is_refused_until_it_has_one(root: Path) -> None:
    (root / "hard.txt").hardlink_to(root.parent / "elsewhere" / "a.txt")
    with pytest.raises(OSError, match="several names"):
        contents(root, "hard.txt")
    (root.parent / "elsewhere" / "a.txt").unlink()
    assert contents(root, "hard.txt") == "secret"


def test_folders_are_made_with_the_mode_that_is_asked_for_and_kept_if_they_are_there(root: Path) -> None:
    for _ in range(2):
        with beneath.made_folder(root, "sub/one/two", 0o700) as descriptor:
            os.close(os.open("kept", os.O_CREAT, dir_fd=descriptor))
    assert (root / "sub" / "one" / "two").stat().st_mode & 0o777 == 0o700
    assert (root / "sub" / "one" / "two" / "kept").exists()


def test_no_descriptor_is_left_open(root: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("sub/a.txt", "sub/a.txt/x", "none/x", "sub/none", "../x"):
        for way in (beneath.folder, beneath.made_folder, contents):
            try:
                if way is contents:
                    contents(root, name)
                else:
                    with way(root, name):
                        pass
            except OSError:
                continue
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_name_that_was_taken_away_and_given_again_is_not_the_one_that_was_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a link to another's file that was removed right after the file was opened: one name, but a new one."""
    (tmp_path / "a.txt").write_text("theirs")
    really = os.open

    def then_named_anew(path: Any, *given: Any, **named: Any) -> int:
        descriptor = really(path, *given, **named)
        if path == "a.txt":
            os.link(tmp_path / "a.txt", tmp_path / "b.txt")
            (tmp_path / "a.txt").unlink()
            (tmp_path / "b.txt").rename(tmp_path / "a.txt")
        return descriptor

    monkeypatch.setattr(os, "open", then_named_anew)
    with pytest.raises(FileNotFoundError, match="was replaced"):
        beneath.open_file(tmp_path, "a.txt", os.O_RDONLY, alone=True)


@pytest.mark.parametrize("name", ["a.txt", "a (deleted)", "b\nc", os.fsdecode(b"\xff.txt")])
def test_a_file_of_one_name_is_opened_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    assert "mine" == contents(tmp_path, name)
