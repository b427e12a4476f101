"""A note is there as soon as it was left, whole, and whoever finds it damaged still knows that it was left."""

import json
from pathlib import Path

from classifyd.inbox.notes import SOMEBODY, Notes


def test_a_note_is_left_once_and_taken_away_once(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "paused")
    assert notes.all() == {}
    assert notes.leave("mail", "ann")
    assert not notes.leave("mail", "bob")
    assert [(about, note.who) for about, note in notes.all().items()] == [("mail", "ann")]
    assert notes.remove("mail")
    assert not notes.remove("mail")
    assert list((tmp_path / "paused").iterdir()) == []


def test_whatever_it_is_about_it_stays_in_its_folder(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "paused")
    strange = ["in/corrections", "..", ".", "../evil", "ü n", "a.json"]
    for about in strange:
        notes.leave(about, "ann")
    assert sorted(notes.all()) == sorted(about for about in strange if not about.startswith("."))
    assert [path.name for path in tmp_path.iterdir()] == ["paused"]


def test_a_damaged_note_is_a_note(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    for name, content in (("a", "{"), ("b", "[]"), ("c", ""), ("d", '{"who": "x", "at": "y"}')):
        (tmp_path / f"{name}.json").write_text(content)
    (tmp_path / ".draft.json").write_text("half of one")
    assert {about: note.who for about, note in notes.all().items()} == dict.fromkeys("abcd", SOMEBODY)


def test_a_name_is_kept_as_one_short_line(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    notes.leave("a", " ann\n\x1b[31m" + "x" * 100)
    who = json.loads((tmp_path / "a.json").read_text())["who"]
    assert who.startswith("ann [31mxxx")
    assert len(who) == 60
