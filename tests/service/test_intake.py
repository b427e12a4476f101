"""What one inbox's intake watches and claims at a time."""

import errno
import os
from dataclasses import replace

from classifyd import beneath
from classifyd.config import InboxConfig
from classifyd.ledger import Ledger
from classifyd.service import holds, intake
from classifyd.service.intake import Intake
from classifyd.service.work import Folders


def make(root, ledger):
    for folder in ("in", "state"):
        (root / folder).mkdir()
    inbox = InboxConfig("in", root / "in", tasks=(), output=root / "out", done="delete", quarantine=root / "bad")
    taken = Intake(inbox, Folders(root / "state", "me"), ledger, settle_seconds=0.0)
    taken.hold()
    return taken


def test_of_a_crowd_only_the_first_by_name_are_watched_and_the_rest_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "WINDOW", 2)
    taken = make(tmp_path, Ledger(tmp_path / "ledger.sqlite"))
    for name in "dbeac":
        (tmp_path / "in" / name).write_text("x")

    claimed = []
    for waiting in (5, 3, 1):
        taken.scan(now=1.0)
        assert waiting == taken.waiting
        assert len(taken.backlog) <= 2
        claimed += [claim.name for claim, _ in taken.claim(room_files=9, room_bytes=9)]

    assert list("abcde") == claimed


def test_links_that_are_left_do_not_take_the_place_of_inputs(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "WINDOW", 1)
    taken = make(tmp_path, Ledger(tmp_path / "ledger.sqlite"))
    (tmp_path / "in/a.txt").symlink_to("/etc/hostname")
    (tmp_path / "in/b.txt").write_text("x")

    taken.scan(now=1.0)
    taken.scan(now=2.0)

    assert ["b.txt"] == [found.name for found in taken.backlog]


def test_a_file_by_the_name_of_a_link_that_was_left_is_taken_and_the_link_not_told_of_again(tmp_path):
    taken = make(tmp_path, Ledger(tmp_path / "ledger.sqlite"))
    taken.heed(replace(taken.inbox, take="leave"), settle_seconds=0.0)
    link = tmp_path / "in/a.txt"
    link.symlink_to("/etc/hostname")
    for _ in range(3):
        taken.scan(now=1.0)
    assert (1, 0) == (taken.put_aside, taken.waiting)

    link.unlink()
    link.write_text("x")
    taken.scan(now=2.0)
    assert ["a.txt"] == [found.name for found in taken.backlog]
    link.unlink()
    taken.scan(now=3.0)
    link.symlink_to("/etc/hostname")
    taken.scan(now=4.0)
    assert (2, 0) == (taken.put_aside, taken.waiting)


def test_a_link_that_cannot_be_put_aside_waits_with_its_reason_until_it_can(tmp_path, monkeypatch):
    monkeypatch.setattr(holds, "FIRST_PAUSE_SECONDS", 0.0)
    taken = make(tmp_path, Ledger(tmp_path / "ledger.sqlite"))
    (tmp_path / "in/a.txt").symlink_to("/etc/hostname")
    (tmp_path / "bad").write_text("in the way")

    taken.scan(now=1.0)
    assert (0, 1) == (taken.put_aside, taken.waiting)
    assert taken.refused["a.txt"].endswith(f"it cannot be put into quarantine: {tmp_path}/bad: Not a directory")

    (tmp_path / "bad").unlink()
    taken.scan(now=2.0)
    assert (1, 0, {}) == (taken.put_aside, taken.waiting, taken.refused)
    assert {"a.txt", "a.txt.reason.json"} == {path.name for path in (tmp_path / "bad").iterdir()}


def test_a_file_whose_path_would_be_too_long_where_it_is_claimed_waits_with_its_reason(tmp_path):
    root = tmp_path.joinpath(*["r" * 200] * 6)
    root.mkdir(parents=True)
    taken = make(root, Ledger(tmp_path / "ledger.sqlite"))
    taken.heed(replace(taken.inbox, recursive=True), settle_seconds=0.0)
    far = "/".join(["d" * 200] * 14)
    for folder, name in (("", "a.txt"), (far, "b.txt")):
        with beneath.made_folder(root / "in", folder) as here:
            file = os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=here)
            os.write(file, b"x")
            os.close(file)

    taken.scan(now=1.0)
    assert ["a.txt"] == [claim.name for claim, _ in taken.claim(room_files=9, room_bytes=9)]

    assert 1 == taken.waiting
    assert [f"{far}/b.txt"] == list(taken.refused)
    assert "its path would become longer than the system takes" in taken.refused[f"{far}/b.txt"]


def test_a_subfolder_that_may_not_be_read_waits_with_its_reason_until_it_may(tmp_path, monkeypatch):
    taken = make(tmp_path, Ledger(tmp_path / "ledger.sqlite"))
    taken.heed(replace(taken.inbox, recursive=True), settle_seconds=0.0)
    (tmp_path / "in/shut").mkdir()
    for name in ("a.txt", "shut/b.txt"):
        (tmp_path / "in" / name).write_text("x")
    enter = beneath.folder

    def folder(root, below):
        if below == "shut":
            raise PermissionError(errno.EACCES, "Permission denied", below)
        return enter(root, below)

    with monkeypatch.context() as others:
        others.setattr(beneath, "folder", folder)
        taken.scan(now=1.0)
        taken.scan(now=2.0)
        assert ["a.txt"] == [found.name for found in taken.backlog]
        assert 2 == taken.waiting
        assert {"shut/": "shut/: Permission denied; it must be possible to read the folder"} == taken.refused

    taken.scan(now=3.0)
    assert ["a.txt", "shut/b.txt"] == [found.name for found in taken.backlog]
    assert (2, {}) == (taken.waiting, taken.refused)
