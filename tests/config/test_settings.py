"""config.toml becomes frozen values, filled in where it says nothing."""

import os
from pathlib import Path

import pytest
from configs import INBOX, faults, load

from classifyd import config
from classifyd.config.machine import memory_share
from classifyd.errors import ConfigError
from classifyd.values import Limits


def test_three_settings_make_an_inbox_and_the_rest_is_filled_in(file: Path) -> None:
    found = load(file, INBOX)
    [inbox] = found.inboxes
    base = file.parent
    assert inbox == config.InboxConfig(
        "mail", base / "in", ("spam", "topic"), base / "in-labelled", str(base / "in-done"), base / "in-quarantine"
    )
    cores = config.cores()
    memory = memory_share(cores)
    assert found.daemon == config.DaemonConfig(base / "state", workers=cores, worker_memory_bytes=memory)
    assert found.models == base / "models"
    assert found.task("spam") == config.TaskConfig()


def test_the_page_is_on_the_loopback_unless_the_file_says_where_else_or_nowhere(file: Path) -> None:
    token = file.parent / "state" / "http-token"
    found = load(file, INBOX).http
    assert (found, found and found.asked) == (config.HttpConfig(token, ("127.0.0.1", 9464)), False)
    text = INBOX + '[http]\nlisten = "[::1]:0"\ntoken_file = "token"\nhosts = ["Mail.Example"]\n'
    found = load(file, text).http
    wanted = config.HttpConfig(file.parent / "token", ("::1", 0), hosts=("mail.example",))
    assert (found, found and found.asked) == (wanted, True)
    assert load(file, INBOX + '[http]\nlisten = ""\n').http == config.HttpConfig(token)
    assert load(file, INBOX, CLASSIFYD_HTTP__LISTEN="").http == config.HttpConfig(token)


def test_workers_on_a_cluster_are_counted_only_once_it_is_known(file: Path) -> None:
    text = '[workers]\nengine = "ray"\naddress = "ray://head:10001"\nnum_gpus = 0.5\nresources = { big = 2 }\n'
    found = load(file, INBOX + text)

    assert (0, 0) == (found.daemon.workers, found.daemon.worker_memory_bytes)
    expected = config.WorkersConfig("ray", "ray://head:10001", num_gpus=0.5, resources={"big": 2})
    assert expected == found.workers


@pytest.mark.parametrize("address", ["head", "ray://head", "head:0", "head:99999", ":6379", "http://head:6379/"])
def test_an_address_that_no_cluster_can_have_is_told_with_those_that_can(file: Path, address: str) -> None:
    [fault] = faults(file, INBOX + f'[workers]\naddress = "{address}"\n')
    assert fault == (
        '[workers] address must be "auto", "HOST:6379", "ray://HOST:10001", or "" for a cluster that is started on '
        f'this machine, not "{address}"'
    )


@pytest.mark.parametrize("listen", ["9464", "localhost:9464", ":9464", "127.0.0.1", "::1:9464:", "127.0.0.1:70000"])
def test_an_address_that_cannot_be_listened_to_is_told_with_one_that_can(file: Path, listen: str) -> None:
    [fault] = faults(file, INBOX + f'[http]\nlisten = "{listen}"\n')
    assert fault.startswith('[http] listen must be an address and a port, such as "127.0.0.1:9464" or "[::1]:9464"')
    assert fault.endswith(f'not "{listen}"')


def test_paths_are_relative_to_the_file_wherever_the_process_is(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent.parent)
    found = config.load(Path(os.path.relpath(_written(file, INBOX))), {})
    assert found.inboxes[0].path == file.parent / "in"


def _written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def test_every_setting_arrives(file: Path) -> None:
    found = load(
        file,
        INBOX
        + 'output = "o"\ndone = "d/{spam}"\nquarantine = "q"\nformat = "same"\nrecursive = true\ninclude_text = false\n'
        'text_field = "sms"\nmax_claimed_bytes = "1 MiB"\nmax_claimed_files = 3\nlimits.record_bytes = 5\n'
        '[daemon]\nstate = "s"\nworkers = 3\nmin_free_bytes = 0\nevents = false\nlog_format = "json"\n'
        '[limits]\nfile_bytes = "2 KiB"\nrecord_bytes = 7\n[models]\npath = "m"\n'
        "[tasks.spam]\nreview_below = 1\ndrift_warning = false\nx = [1]\n",
    )
    [inbox] = found.inboxes
    base = file.parent
    assert (inbox.output, inbox.done, inbox.quarantine) == (base / "o", str(base / "d/{spam}"), base / "q")
    assert (inbox.format, inbox.recursive, inbox.include_text, inbox.text_field) == ("same", True, False, "sms")
    assert (inbox.max_claimed_bytes, inbox.max_claimed_files) == (2**20, 3)
    assert found.limits == Limits(file_bytes=2048, record_bytes=7)
    assert inbox.limits == Limits(file_bytes=2048, record_bytes=5)
    assert (found.daemon.state, found.daemon.workers, found.daemon.min_free_bytes) == (base / "s", 3, 0)
    assert (found.daemon.events, found.daemon.log_format, found.models) == (False, "json", base / "m")
    assert found.tasks == {"spam": config.TaskConfig(1.0, False, {"x": [1]})}


def test_what_is_kept_how_long_is_said_for_all_inboxes_or_for_one(file: Path) -> None:
    text = (
        INBOX + 'retention.done = "none"\nretention.ledger = "2w"\n' + INBOX.replace("mail", "b").replace('in"', 'in2"')
    )
    found = load(file, text + '[retention]\ndone = "30d"\noutputs = "12 h"\n', CLASSIFYD_RETENTION__QUARANTINE="5m")
    mail, other = found.inboxes
    assert mail.retention == config.Retention(None, 43_200, 300, 1_209_600)
    assert other.retention == found.retention == config.Retention(2_592_000, 43_200, 300, None)


def test_who_is_let_to_outputs_is_said_for_all_inboxes_or_for_one(file: Path) -> None:
    me, mine = os.geteuid(), os.getegid()
    text = (
        INBOX + INBOX.replace('"mail"', '"b"').replace('"in"', '"in2"') + f'output_mode = "600"\noutput_owner = {me}\n'
    )
    mail, other = load(file, text + f'[daemon]\noutput_mode = "0640"\noutput_group = "{mine}"\n').inboxes
    assert (mail.access, other.access) == (config.Access(0o640, None, mine), config.Access(0o600, me, mine))


def test_the_environment_overrides_the_file_typed_as_the_setting_is(file: Path) -> None:
    found = load(
        file,
        INBOX + "[daemon]\nworkers = 5\n",
        CLASSIFYD_DAEMON__WORKERS="1",
        CLASSIFYD_DAEMON__EVENTS="false",
        CLASSIFYD_DAEMON__SCAN_SECONDS="0.5",
        CLASSIFYD_LIMITS__FILE_BYTES="1 GiB",
        CLASSIFYD_MODELS__PATH="elsewhere",
        CLASSIFYD_TASKS__SPAM__REVIEW_BELOW="0.9",
        CLASSIFYD_CONFIG="not a setting",
    )
    assert (found.daemon.workers, found.daemon.events, found.daemon.scan_seconds) == (1, False, 0.5)
    assert (found.limits.file_bytes, found.models) == (2**30, file.parent / "elsewhere")
    assert found.task("spam").review_below == 0.9


def test_the_one_named_is_found_first_then_the_environments_then_the_one_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("classifyd.config.loading.PLACES", (Path("config.toml"),))
    with pytest.raises(ConfigError, match="classifyd init"):
        config.find(None, {})
    (tmp_path / "config.toml").touch()
    assert config.find(None, {}) == Path("config.toml")
    assert config.find(None, {"CLASSIFYD_CONFIG": "/b"}) == Path("/b")
    assert config.find(Path("/a"), {"CLASSIFYD_CONFIG": "/b"}) == Path("/a")


def test_review_and_corrections_are_folders_or_nothing(file: Path) -> None:
    [inbox] = load(file, INBOX + 'review = "review"\ncorrections = "fix"\n').inboxes
    assert (inbox.review, inbox.corrections) == (file.parent / "review", file.parent / "fix")
    [inbox] = load(file, INBOX).inboxes
    assert (inbox.review, inbox.corrections) == (None, None)
