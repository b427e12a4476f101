"""A move that an earlier run made, and was killed before it was sure, is on the disk before anything builds on it."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from classifyd.config import DELETE
from classifyd.reports import PartReport
from classifyd.service import removals
from classifyd.service.removals import Removals


@pytest.fixture
def fsynced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    found: list[Path] = []
    monkeypatch.setattr(removals, "fsync_folders", found.extend)
    return found


def work(tmp_path: Path, done: str | None = None) -> SimpleNamespace:
    (tmp_path / "done" / "sub").mkdir(parents=True)
    (tmp_path / "quarantine" / "sub").mkdir(parents=True)
    inbox = SimpleNamespace(review=None, done=done or str(tmp_path / "done"), quarantine=tmp_path / "quarantine")
    return SimpleNamespace(inbox=inbox, claim=SimpleNamespace(name="sub/a.txt", size=5, mtime_ns=7))


def test_a_move_to_done_before_a_kill_is_made_sure_of(tmp_path: Path, fsynced: list[Path]) -> None:
    moves = Removals(ledger=None, copies=None)
    moves.was_done(work(tmp_path), PartReport("x", 0, 1))
    assert fsynced == []
    moves.settle()
    assert set(fsynced) == {tmp_path / "done", tmp_path / "done" / "sub"}


def test_where_an_input_went_before_a_kill_is_found_again_among_those_of_its_name(tmp_path: Path) -> None:
    moves = Removals(ledger=None, copies=None)
    moved = work(tmp_path)
    for name, text, mtime_ns in (("a.txt", "other", 8), ("a.1.txt", "hello", 7)):
        path = tmp_path / "done" / "sub" / name
        path.write_text(text)
        os.utime(path, ns=(mtime_ns, mtime_ns))
    moves.was_done(moved, PartReport("x", 0, 1))
    assert moved.place == tmp_path / "done" / "sub" / "a.1.txt"
    moved.claim.size = 6
    moves.was_done(moved, PartReport("x", 0, 1))
    assert moved.place is None, "taken away since"


def test_a_move_into_quarantine_before_a_kill_is_made_sure_of_at_once(tmp_path: Path, fsynced: list[Path]) -> None:
    Removals(ledger=None, copies=None).was_quarantined(work(tmp_path))
    assert set(fsynced) == {tmp_path / "quarantine", tmp_path / "quarantine" / "sub"}


def test_of_what_is_deleted_there_is_nothing_to_make_sure_of(tmp_path: Path, fsynced: list[Path]) -> None:
    moves = Removals(ledger=None, copies=None)
    moves.was_done(work(tmp_path, done=DELETE), PartReport("x", 0, 1))
    moves.settle()
    assert fsynced == []
