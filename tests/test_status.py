"""`status` counts what lies in the folders and what the ledger remembers, whether the daemon runs or not."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from classifyd import config, status
from classifyd.errors import DiskFault
from classifyd.inbox import scan
from classifyd.inbox.claims import FOLDER
from classifyd.jobs import Claim
from classifyd.ledger import Entry, Ledger
from classifyd.reports import PartReport
from classifyd.values import Fault

NOW = 1_700_000_000.0


@pytest.fixture
def settings(tmp_path: Path) -> config.Config:
    return made(tmp_path)


def made(base: Path, **changes: Any) -> config.Config:
    (base / "in").mkdir()
    (base / "state").mkdir()
    paths = (base / "in", ("spam",), base / "out", str(base / "done"), base / "bad")
    inbox = config.InboxConfig("mail", *paths, **changes)
    return config.Config(None, base / "models", config.DaemonConfig(base / "state"), (inbox,))


def look(settings: config.Config) -> status.InboxStatus:
    return status.look(settings, NOW).inboxes[0]


def finish(settings: config.Config, name: str, at: float, **counts: int) -> None:
    """Have the ledger remember an input as done."""
    ledger = Ledger(settings.daemon.state / "ledger.sqlite")
    claim = Claim(name, "mail", name, f"/x/{name}", 1, 1, at)
    with ledger.commit():
        ledger.claimed(Entry(claim, "claimed", {}, 1, name))
        ledger.intend(name, "part", PartReport(name, 0, **counts))
        ledger.retired(name, at)
    ledger.close()


def test_an_inbox_that_no_daemon_has_ever_seen_has_only_waiting_files(settings: config.Config) -> None:
    for name in ("a.txt", "b.txt", ".hidden", "c.part"):
        (settings.inboxes[0].path / name).write_text("x")
    assert look(settings) == status.InboxStatus("mail", waiting=2, claimed=0, done=0, quarantined=0)
    assert status.look(settings, NOW).daemon == status.DaemonStatus("stopped")


def test_what_is_done_is_counted_with_its_records_and_its_rate(settings: config.Config) -> None:
    finish(settings, "old", NOW - 86_400, records=100)
    finish(settings, "lately", NOW - 1800, records=10, errors=1)
    finish(settings, "now", NOW - 30, records=6, reviews=2)
    found = look(settings)
    assert (found.done, found.records, found.errors, found.reviews) == (3, 116, 1, 2)
    assert found.minute == status.Flow(60.0, 1, 6)
    assert found.minute.records_per_second == 0.1
    assert found.hour == status.Flow(3600.0, 2, 16)


def test_claims_are_counted_where_they_lie_even_those_the_ledger_does_not_know(settings: config.Config) -> None:
    claims = settings.inboxes[0].path / ".classifyd"
    (claims / "daemon" / "c1" / "sub").mkdir(parents=True)
    (claims / "daemon" / "c1" / "sub" / "a.txt").write_text("x")
    (claims / "daemon.lock").touch()
    assert look(settings).claimed == 1


def test_quarantined_inputs_are_those_that_lie_there_with_a_reason(settings: config.Config) -> None:
    folder = settings.inboxes[0].quarantine
    (folder / "sub").mkdir(parents=True)
    for name in ("a.txt", "sub/b.txt"):
        (folder / name).write_text("x")
        (folder / f"{name}.reason.json").write_text("{}")
    (folder / "gone.txt.reason.json").write_text("{}")
    assert look(settings).quarantined == 2


def test_inboxes_that_share_a_quarantine_count_their_own(tmp_path: Path, settings: config.Config) -> None:
    (tmp_path / "in2").mkdir()
    first = settings.inboxes[0]
    second = config.InboxConfig("b", tmp_path / "in2", ("spam",), first.output, first.done, first.quarantine)
    first.quarantine.mkdir()
    for name, inbox in (("a", "mail"), ("b", "b"), ("c", "b")):
        (first.quarantine / name).write_text("x")
        (first.quarantine / f"{name}.reason.json").write_text(json.dumps({"inbox": inbox}))
    both = config.Config(None, settings.models, settings.daemon, (first, second))
    assert [inbox.quarantined for inbox in status.look(both, NOW).inboxes] == [1, 2]


def test_what_waits_among_corrections_is_counted_by_itself(tmp_path: Path, settings: config.Config) -> None:
    [inbox] = settings.inboxes
    corrected = replace(settings, inboxes=(replace(inbox, corrections=tmp_path / "corrections"),))
    place = tmp_path / "corrections" / "spam" / "ham"
    [_, before] = status.look(corrected, NOW).inboxes
    assert (before.name, before.waiting, before.fault) == ("mail/corrections", 0, None), "no daemon has made it yet"

    place.mkdir(parents=True)
    (place / "a.txt").write_text("hello")
    held = tmp_path / "corrections" / FOLDER / "daemon" / "claim"
    held.mkdir(parents=True)
    (held / "b.txt").write_text("hello")
    (inbox.quarantine).mkdir(exist_ok=True)
    (inbox.quarantine / "c.txt").write_text("hello")
    (inbox.quarantine / "c.txt.reason.json").write_text('{"inbox": "mail/corrections"}')
    [original, found] = status.look(corrected, NOW).inboxes
    assert (found.waiting, found.claimed, found.quarantined) == (1, 1, 1)
    assert (original.waiting, original.claimed, original.quarantined) == (0, 0, 0)


def test_where_inputs_stay_in_place_the_ledger_tells_which_still_wait(tmp_path: Path) -> None:
    settings = made(tmp_path, take="leave")

    for name in ("seen.txt", "held.txt", "bad.txt", "new.txt"):
        (tmp_path / "in" / name).write_text(name)
    ledger = Ledger(settings.daemon.state / "ledger.sqlite")
    with ledger.commit():
        for name in ("seen.txt", "held.txt", "bad.txt"):
            found = scan.look(str(tmp_path / "in" / name), name)
            assert found is not None
            claim = Claim(name, "mail", name, f"/x/{name}", 1, 1, NOW)
            ledger.claimed(Entry(claim, "claimed", {}, 1, name, found.identity))
        ledger.retired("seen.txt", NOW)
        ledger.condemned("bad.txt", Fault("UnreadableFile", "bad.txt: may not be read"))
        ledger.quarantined("bad.txt", NOW)
    ledger.close()
    (tmp_path / "in" / "link.txt").symlink_to("seen.txt")

    def counts(found: status.InboxStatus) -> tuple[int, ...]:
        return found.waiting, found.claimed, found.done, found.quarantined

    found_status = look(settings)
    assert counts(found_status) == (1, 1, 1, 2)
    assert {(one.name, one.reason) for one in found_status.left} == {
        ("bad.txt", "bad.txt: may not be read"),
        ("link.txt", "link.txt: not a regular file; links and devices are never opened"),
    }

    (tmp_path / "in" / "bad.txt").write_text("mended")
    (tmp_path / "in" / "link.txt").unlink()
    assert counts(look(settings)) == (2, 1, 1, 0), "what has changed waits to be tried again"


def test_of_very_many_inputs_that_are_left_only_the_first_are_named(tmp_path: Path) -> None:
    settings = made(tmp_path, take="leave")
    Ledger(settings.daemon.state / "ledger.sqlite").close()
    for number in range(25):
        (tmp_path / "in" / f"{number}.txt").symlink_to("nowhere")
    found = look(settings)
    assert (found.quarantined, len(found.left)) == (25, 20)


def test_an_inbox_that_cannot_be_listed_says_so_and_the_rest_is_counted(settings: config.Config) -> None:
    finish(settings, "a", NOW, records=1)
    settings.inboxes[0].path.rmdir()
    found = look(settings)
    assert found.done == 1
    assert found.fault == f"{settings.inboxes[0].path}: No such file or directory"


def test_a_ledger_that_a_daemon_has_just_begun_is_none_yet(settings: config.Config) -> None:
    (settings.daemon.state / "ledger.sqlite").touch()
    found = status.look(settings, 0.0)
    assert [inbox.done for inbox in found.inboxes] == [0 for _ in settings.inboxes]
    assert status.needed(settings, "spam") == set()


def test_a_ledger_that_cannot_be_read_is_told_with_its_path(settings: config.Config) -> None:
    (settings.daemon.state / "ledger.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(DiskFault, match=r"ledger\.sqlite"):
        look(settings)


# ---------------------------------------------------------------------- the heartbeat


def beat(settings: config.Config, pid: int, at: float) -> status.DaemonStatus:
    document = {
        "pid": pid,
        "at": at,
        "started_at": at - 60,
        "busy_workers": 2,
        "waiting_splits": 3,
        "bytes_per_second": 5,
        "waiting_files": {"mail": 1},
        "held": {"inbox mail": "disk full"},
    }
    (settings.daemon.state / "status.json").write_text(json.dumps(document))
    return status.look(settings, NOW).daemon


def test_a_fresh_heartbeat_of_a_living_process_is_a_running_daemon(settings: config.Config) -> None:
    found = beat(settings, os.getpid(), NOW - 1)
    assert (found.state, found.pid, found.busy_workers) == ("running", os.getpid(), 2)
    assert found.held == {"inbox mail": "disk full"}


def test_a_heartbeat_tells_what_serves_and_what_was_refused(settings: config.Config) -> None:
    document = {
        "pid": os.getpid(),
        "at": NOW,
        "serving": {"spam": 1, "topic": None},
        "loading": {"topic": 3},
        "refused": {"spam": {"version": 2, "reason": "sha256"}},
    }
    (settings.daemon.state / "status.json").write_text(json.dumps(document))
    found = status.look(settings, NOW).daemon
    assert (found.serving, found.loading) == ({"spam": 1, "topic": None}, {"topic": 3})
    assert found.refused == {"spam": status.Refused(2, "sha256")}


def test_versions_are_needed_that_serve_or_that_unfinished_inputs_are_pinned_to(settings: config.Config) -> None:
    assert status.needed(settings, "spam") == set()
    ledger = Ledger(settings.daemon.state / "ledger.sqlite")
    with ledger.commit():
        for name, version in (("open", 3), ("done", 2), ("none", None)):
            ledger.claimed(Entry(Claim(name, "mail", name, "/x", 1, 1, NOW), "claimed", {"spam": version}, 1, name))
        ledger.retired("done", NOW)
    ledger.close()
    assert status.needed(settings, "spam") == {3}
    (settings.daemon.state / "status.json").write_text(json.dumps({"pid": os.getpid(), "serving": {"spam": 5}}))
    assert status.needed(settings, "spam") == {3, 5}
    assert status.needed(settings, "topic") == set()


def test_an_old_heartbeat_of_a_living_process_is_a_silent_daemon(settings: config.Config) -> None:
    assert beat(settings, os.getpid(), NOW - 3600).state == "silent"


def test_the_heartbeat_of_a_dead_process_is_a_stopped_daemon(settings: config.Config) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert beat(settings, process.pid, NOW).state == "stopped"


def test_half_a_heartbeat_is_none(settings: config.Config) -> None:
    (settings.daemon.state / "status.json").write_text('{"pid"')
    assert status.look(settings, time.time()).daemon.state == "stopped"


def test_the_heartbeat_of_another_version_is_read_as_far_as_it_goes(settings: config.Config) -> None:
    (settings.daemon.state / "status.json").write_text(json.dumps({"pid": os.getpid(), "at": NOW}))
    assert status.look(settings, NOW).daemon == status.DaemonStatus("running", os.getpid())
