import errno
import os
import stat

import pytest

from classifyd import beneath
from classifyd.inbox.scan import Settling, discover, look


def untold(folder, error):
    raise AssertionError(f"{folder} is not closed: {error}")


def names(root, **options):
    return sorted(found.name for found in discover(root, recursive=options.get("recursive", False), closed=untold))


def test_hidden_unfinished_and_empty_files_are_not_found(tmp_path):
    for name in (".hidden", "a.tmp", "b.part", "c.partial", "d.filepart", "e.crdownload", "kept.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "empty.txt").touch()

    assert ["kept.txt"] == names(tmp_path)


def test_subfolders_are_looked_into_only_where_asked(tmp_path):
    (tmp_path / "sub/deep").mkdir(parents=True)
    (tmp_path / "sub/deep/a.txt").write_text("x")
    (tmp_path / ".classifyd/id").mkdir(parents=True)
    (tmp_path / ".classifyd/id/held.txt").write_text("x")

    assert [] == names(tmp_path)
    assert ["sub/deep/a.txt"] == names(tmp_path, recursive=True)


def test_a_subfolder_that_may_not_be_read_is_told_of_and_the_rest_is_found(tmp_path, monkeypatch):
    (tmp_path / "open/shut").mkdir(parents=True)
    for name in ("a.txt", "open/b.txt", "open/shut/c.txt"):
        (tmp_path / name).write_text("x")
    enter = beneath.folder

    def folder(root, below):
        if below == "shut":
            raise PermissionError(errno.EACCES, "Permission denied", below)
        return enter(root, below)

    monkeypatch.setattr(beneath, "folder", folder)
    told = []

    found = list(discover(tmp_path, recursive=True, closed=lambda folder, error: told.append((folder, error.strerror))))

    assert {"a.txt", "open/b.txt"} == {one.name for one in found}
    assert [("open/shut/", "Permission denied")] == told


def test_a_maildir_is_known_by_its_folders_and_its_tmp_is_left_alone(tmp_path):
    for folder in ("new", "cur", "tmp"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.host").write_text("x")

    assert ["cur/1.host", "new/1.host"] == names(tmp_path)


def test_a_maildir_message_keeps_its_identity_when_it_is_read_and_flagged(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "cur").mkdir()
    path = tmp_path / "new/1.host"
    path.write_text("x")
    (before,) = discover(tmp_path, recursive=False, closed=untold)
    path.rename(tmp_path / "cur/1.host:2,S")
    (after,) = discover(tmp_path, recursive=False, closed=untold)

    assert before.identity == after.identity


def test_a_changed_file_has_another_identity(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x")
    before = look(str(path), "a.txt").identity
    path.write_text("longer")

    assert before != look(str(path), "a.txt").identity


def test_links_and_fifos_are_found_but_not_regular(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link.txt").symlink_to("/etc/hostname")

    found = [(found.name, found.regular) for found in discover(tmp_path, recursive=False, closed=untold)]
    assert [("fifo", False), ("link.txt", False)] == sorted(found)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_a_device_is_found_but_not_regular(tmp_path):
    try:
        os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("no devices may be made here")

    assert [("null", False)] == [
        (found.name, found.regular) for found in discover(tmp_path, recursive=False, closed=untold)
    ]


def test_a_name_that_is_not_utf8_is_found_as_it_is(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("x")

    assert [b"caf\xe9.txt"] == [os.fsencode(name) for name in names(tmp_path)]


def test_a_file_settles_once_its_size_and_time_have_rested(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x")
    settling = Settling(settle_seconds=1.0)

    def settled(now):
        return [found.name for found in settling.see(list(discover(tmp_path, recursive=False, closed=untold)), now)]

    assert [] == settled(10.0)
    assert 11.0 == settling.due_at
    assert [] == settled(10.9)
    path.write_text("xy")
    assert [] == settled(11.5)
    assert ["a.txt"] == settled(12.5)
    assert settling.due_at is None
