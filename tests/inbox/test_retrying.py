"""What goes back, or goes for good, takes its own reason with it and no other."""

import json
import os

import pytest

from classifyd.config import InboxConfig
from classifyd.inbox import removing, retrying
from classifyd.inbox.quarantine import quarantine
from classifyd.values import Fault

ENDLESS = 1e12


@pytest.fixture
def inbox(tmp_path):
    (tmp_path / "in").mkdir()
    return InboxConfig("mail", tmp_path / "in", (), tmp_path / "out", str(tmp_path / "done"), tmp_path / "q")


def put_aside(inbox, why):
    (inbox.path / "a.txt").write_text("x")
    quarantine(str(inbox.path / "a.txt"), inbox.quarantine, "a.txt", "mail", Fault("UnreadableFile", why))
    [item] = retrying.quarantined([inbox])
    return item


def put_back(item):
    retrying.put_back(item)


def remove(item):
    assert removing.remove_quarantined(item, ENDLESS)


@pytest.mark.parametrize("deed", [put_back, remove])
def test_the_reason_goes_with_its_input(inbox, deed):
    deed(put_aside(inbox, "first"))
    assert [] == list(inbox.quarantine.iterdir())


@pytest.mark.parametrize("deed", [put_back, remove])
def test_a_reason_of_an_input_that_is_in_quarantine_again_stays(inbox, deed, monkeypatch):
    item = put_aside(inbox, "first")

    def meanwhile(taken):
        """The input is tried again at once, while whoever took it out waits for the processor."""

        def take(*given, **named):
            found = taken(*given, **named)
            monkeypatch.undo()
            put_aside(inbox, "second")
            return found

        return take

    monkeypatch.setattr(retrying, "move", meanwhile(retrying.move))
    monkeypatch.setattr(os, "unlink", meanwhile(os.unlink))
    deed(item)
    assert (inbox.quarantine / "a.txt").exists()
    assert "second" == json.loads((inbox.quarantine / "a.txt.reason.json").read_text())["reason"]
    assert ["second"] == [one.why for one in retrying.quarantined([inbox])]
