import json
import shlex
from pathlib import Path

import pytest

from classifyd import disk
from classifyd.inbox.quarantine import quarantine, reason_file
from classifyd.values import Fault


def test_the_reason_lies_beside_the_file(tmp_path):
    (tmp_path / "a.txt").write_text("x")

    place = quarantine(str(tmp_path / "a.txt"), tmp_path / "q", "sub/a.txt", "mail", Fault("UnreadableFile", "why"))

    reason = json.loads((tmp_path / "q/sub/a.txt.reason.json").read_text())
    assert tmp_path / "q/sub/a.txt" == place
    assert ("classifyd-reason/1", "sub/a.txt", "mail", "UnreadableFile", "why") == tuple(
        reason[key] for key in ("schema", "name", "inbox", "type", "reason")
    )


def test_the_reason_is_safe_from_a_power_cut_before_the_file_lies_beside_it(tmp_path, monkeypatch):
    safe = []
    monkeypatch.setattr(disk, "fsync_folder", lambda folder: safe.append([path.name for path in folder.iterdir()]))
    (tmp_path / "a.txt").write_text("x")

    quarantine(str(tmp_path / "a.txt"), tmp_path / "q", "a.txt", "mail", Fault("UnreadableFile", "why"))

    assert [["a.txt.reason.json"]] == safe


def test_a_name_of_255_bytes_leaves_room_for_its_reason(tmp_path):
    name = "n" * 251 + ".txt"
    (tmp_path / name).write_text("x")

    place = quarantine(str(tmp_path / name), tmp_path / "q", name, "mail", Fault("UnreadableFile", "why"))

    assert place.exists()
    assert Path(f"{place}.reason.json").exists()


@pytest.mark.parametrize("name", ["a b.txt", "x; touch HACKED; #.txt", "-v.txt", "it's.txt", "$(reboot).txt"])
def test_the_command_that_tries_it_again_names_it_and_does_nothing_else(tmp_path, name):
    (tmp_path / name).write_text("x")
    place = quarantine(str(tmp_path / name), tmp_path / "q", name, "mail", Fault("UnreadableFile", "why"))
    words = shlex.split(json.loads(reason_file(place).read_text())["retry"])
    assert ["classifyd", "retry", *(["--"] if name[0] == "-" else []), name] == words


def test_two_files_of_one_name_both_keep_their_reasons(tmp_path):
    for why in ("first", "second"):
        (tmp_path / "a.txt").write_text(why)
        quarantine(str(tmp_path / "a.txt"), tmp_path / "q", "a.txt", "mail", Fault("UnreadableFile", why))

    for name, why in (("a.txt", "first"), ("a.1.txt", "second")):
        assert why == (tmp_path / "q" / name).read_text()
        assert why == json.loads((tmp_path / "q" / f"{name}.reason.json").read_text())["reason"]


def test_a_reason_appears_whole_and_takes_the_place_of_what_a_killed_attempt_left(tmp_path):
    (tmp_path / "q").mkdir()
    (tmp_path / "q/.a.txt.reason.json").write_text("{ to")
    (tmp_path / "a.txt").write_text("x")

    quarantine(str(tmp_path / "a.txt"), tmp_path / "q", "a.txt", "mail", Fault("UnreadableFile", "why"))

    assert {"a.txt", "a.txt.reason.json"} == {path.name for path in (tmp_path / "q").iterdir()}
