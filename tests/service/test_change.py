"""What a configuration changes that is read again: at once, by other workers, or not before a restart."""

from dataclasses import replace
from pathlib import Path

import pytest

from classifyd.config import (
    Config,
    DaemonConfig,
    HttpConfig,
    InboxConfig,
    ReceiverConfig,
    TaskConfig,
    WorkersConfig,
    with_corrections,
)
from classifyd.offers import Admission
from classifyd.service.change import compare
from classifyd.values import Limits

INBOX = InboxConfig("in", Path("/in"), ("spam",), Path("/out"), "/done", Path("/bad"), corrections=Path("/corrections"))
READ = Config(
    None,
    Path("/models"),
    DaemonConfig(Path("/state")),
    (INBOX,),
    {"spam": TaskConfig(0.5, options={"runtime": "onnxruntime"})},
    http=HttpConfig(Path("/state/http-token"), ("127.0.0.1", 9464)),
)
IN_FORCE = with_corrections(READ)


def test_the_same_configuration_changes_nothing():
    change = compare(IN_FORCE, READ)

    assert (IN_FORCE, {}, ()) == (change.config, change.kept, change.of_workers)


@pytest.mark.parametrize(
    "new",
    [
        replace(READ, inboxes=(replace(INBOX, priority="high", limits=Limits(file_bytes=1)),)),
        replace(
            READ, inboxes=(INBOX, replace(INBOX, name="b", path=Path("/b"), tasks=("spam", "topic"), corrections=None))
        ),
        replace(
            READ,
            tasks={
                "spam": TaskConfig(0.9, options={"runtime": "onnxruntime"}),
                "topic": TaskConfig(0.1, options={"x": 1}),
            },
        ),
        replace(READ, daemon=replace(READ.daemon, scan_seconds=1, drain_seconds=1, job_files=1, min_free_bytes=1)),
        replace(READ, http=None),
    ],
    ids=["inbox", "inboxes", "thresholds", "times", "http"],
)
def test_what_no_worker_is_made_by_changes_at_once(new):
    change = compare(IN_FORCE, new)

    assert ({}, ()) == (change.kept, change.of_workers)
    assert with_corrections(new) == change.config


@pytest.mark.parametrize(
    ("new", "named"),
    [
        (replace(READ, daemon=replace(READ.daemon, workers=7)), "[daemon] workers"),
        (replace(READ, daemon=replace(READ.daemon, device="cuda")), "[daemon] device"),
        (replace(READ, models=Path("/others")), "[models] path"),
        (replace(READ, plugins=Admission(None, ("x",))), "[plugins]"),
        (replace(READ, workers=WorkersConfig(start_seconds=7)), "[workers]"),
        (replace(READ, receivers=(ReceiverConfig("chat", webhook="https://example.org"),)), "[[receiver]]"),
        (replace(READ, tasks={"spam": TaskConfig(0.5, options={"runtime": "openvino"})}), "[tasks.spam]"),
    ],
)
def test_what_workers_are_made_by_asks_for_other_workers(new, named):
    assert (named,) == compare(IN_FORCE, new).of_workers


def test_the_state_folder_stays_with_all_that_lies_in_it_by_default():
    moved = replace(
        READ,
        daemon=replace(READ.daemon, state=Path("/elsewhere"), scan_seconds=1),
        http=HttpConfig(Path("/elsewhere/http-token"), ("127.0.0.1", 9464)),
    )

    change = compare(IN_FORCE, moved)

    assert {"[daemon] state": "stays /state; to have it changed, restart the daemon"} == change.kept
    assert (Path("/state"), 1) == (change.config.daemon.state, change.config.daemon.scan_seconds)
    assert Path("/state/http-token") == change.config.http.token_file
    assert {Path("/out"), Path("/state/corrections/in")} == {inbox.output for inbox in change.config.inboxes}


def test_on_a_cluster_the_numbers_that_it_gave_are_no_change_and_another_folder_is_one():
    asked = replace(
        READ, workers=WorkersConfig(engine="ray"), daemon=replace(READ.daemon, workers=0, worker_memory_bytes=0)
    )
    fitted = with_corrections(replace(asked, daemon=replace(asked.daemon, workers=12, worker_memory_bytes=2**31)))

    change = compare(fitted, asked)
    assert ((), fitted) == (change.of_workers, change.config)
    for moved in (replace(INBOX, path=Path("/elsewhere")), replace(INBOX, output=Path("/elsewhere"))):
        assert ("[[inbox]] path or output",) == compare(fitted, replace(asked, inboxes=(moved,))).of_workers
