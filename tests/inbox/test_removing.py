"""Only the very file that was put down goes, and only once it has rested; no link leads anywhere else."""

import os

import pytest

from classifyd.inbox.removing import Known, remove_known

ENDLESS = 1e12


@pytest.fixture
def root(tmp_path):
    (tmp_path / "done/sub").mkdir(parents=True)
    return tmp_path / "done"


def put(path, text="hello"):
    path.write_text(text)
    status = path.stat()
    return Known(status.st_size, status.st_mtime_ns)


def test_a_file_that_is_what_it_was_goes(root):
    known = put(root / "sub/a.txt")
    assert "removed" == remove_known(root, root / "sub/a.txt", known, ENDLESS)
    assert "gone" == remove_known(root, root / "sub/a.txt", known, ENDLESS)
    assert (root / "sub").is_dir()


def test_one_that_was_touched_since_has_its_time_begin_anew(root):
    path = root / "a.txt"
    known = put(path)
    path.chmod(0o600)
    os.utime(path, ns=(known.mtime_ns, known.mtime_ns))
    assert "resting" == remove_known(root, path, known, path.stat().st_ctime - 1)
    assert path.exists()


@pytest.mark.parametrize("change", ["edit", "touch", "link", "folder"])
def test_what_is_not_the_same_any_more_is_nobodys_to_remove(root, tmp_path, change):
    path, treasure = root / "a.txt", tmp_path / "treasure"
    known = put(path)
    treasure.write_text("hello")
    os.utime(treasure, ns=(known.mtime_ns, known.mtime_ns))
    if change == "edit":
        path.write_text("hello!")
        os.utime(path, ns=(known.mtime_ns, known.mtime_ns))
    elif change == "touch":
        os.utime(path, (1, 1))
    else:
        path.unlink()
        path.symlink_to(treasure) if change == "link" else path.mkdir()
    assert "gone" == remove_known(root, path, known, ENDLESS)
    assert os.path.lexists(path)
    assert "hello" == treasure.read_text()


def test_no_link_is_followed_on_the_way_and_nothing_outside_is_reached(root, tmp_path):
    (tmp_path / "else").mkdir()
    known = put(tmp_path / "else/a.txt")
    (root / "sub").rmdir()
    (root / "sub").symlink_to(tmp_path / "else")
    for place in (root / "sub/a.txt", tmp_path / "else/a.txt", root / "../else/a.txt", root):
        assert "gone" == remove_known(root, place, known, ENDLESS)
    assert (tmp_path / "else/a.txt").exists()
