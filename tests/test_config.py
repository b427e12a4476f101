"""config.toml becomes frozen values; whatever is wrong with it is said at once, in sentences."""

import dataclasses
import os
import re
from pathlib import Path

import pytest

from classifyd import config
from classifyd.config.machine import memory_share
from classifyd.config.schema import (
    DaemonSection,
    HttpSection,
    InboxSection,
    LimitsSection,
    ModelsSection,
    PluginsSection,
    ReceiverSection,
    RetentionSection,
    TaskSection,
    TrainSection,
)
from classifyd.errors import ConfigError
from classifyd.offers import Admission, Offer, Offers
from classifyd.values import Limits

ROOT = Path(__file__).parents[1]
INBOX = '[[inbox]]\nname = "mail"\npath = "in"\ntasks = ["spam", "topic"]\n'
OFFERS = Offers((Offer("ours", "classifyd", "1", ("ner", "spam", "topic"), (), ("csv", "jsonl")),))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in2").mkdir()
    return tmp_path / "config.toml"


def load(file: Path, text: str, offers: Offers | None = None, **environ: str) -> config.Config:
    file.write_text(text)
    return config.load(file, environ, offers)


def faults(file: Path, text: str, offers: Offers | None = None, **environ: str) -> list[str]:
    """The faults of a configuration, the file's name taken off."""
    with pytest.raises(ConfigError) as caught:
        load(file, text, offers, **environ)
    assert caught.value.exit_code == 78
    return [fault.removeprefix(f"{file}: ") for fault in caught.value.faults]


# ---------------------------------------------------------------------- what is right


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


# ---------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("dameon = 1\n" + INBOX, 'there is no table or setting "dameon". Did you mean "daemon"?'),
        (INBOX + "[daemon]\nwrokers = 3", '[daemon] there is no setting "wrokers". Did you mean "workers"?'),
        (INBOX + "pth = 1", 'inbox "mail": there is no setting "pth". Did you mean "path"?'),
        (INBOX + "limits.mime_part = 1", 'there is no setting "limits.mime_part". Did you mean "mime_parts"?'),
        (INBOX + "[tasks.spam]\nreview_bellow = 1", '[tasks.spam] there is no setting "review_bellow". Did you mean'),
        (INBOX + '[daemon]\nworkers = "four"', '[daemon] workers must be a whole number, not the text "four"'),
        (INBOX + "[daemon]\nworkers = 1.5", "[daemon] workers must be a whole number, not the number 1.5"),
        (INBOX + "[daemon]\nworkers = -1", "[daemon] workers must be at least 0, not -1"),
        (INBOX + "[daemon]\nevents = 1", "[daemon] events must be true or false, not the number 1"),
        (INBOX + "[daemon]\nscan_seconds = inf", "[daemon] scan_seconds must be a"),
        (INBOX + "[daemon]\njob_bytes = true", "[daemon] job_bytes must be a number of bytes or a size"),
        (INBOX + '[daemon]\nlog_level = "loud"', '[daemon] log_level must be "debug", "info", "warning" or "error"'),
        ("daemon = 3\n" + INBOX, "[daemon] must be a table, not 3"),
        ("tasks = 3\n" + INBOX, "[tasks] must hold tables"),
        ("[daemon]\n", "there is no [[inbox]]"),
        ('[[inbox]]\npath = "in"\ntasks = ["spam"]', "inbox 1: name is missing"),
        (INBOX.replace('"mail"', '"a/b"'), 'inbox "a/b": name must begin with a letter or digit'),
        (INBOX.replace('["spam", "topic"]', "[]"), 'inbox "mail": tasks is empty; name at least one task'),
        (INBOX.replace('["spam", "topic"]', '"spam"'), 'inbox "mail": tasks must be a list'),
        (INBOX.replace('["spam", "topic"]', '["spam", "spam"]'), 'inbox "mail": tasks names "spam" twice'),
        (INBOX.replace('"in"', '"no"'), 'inbox "mail": the folder "'),
        (INBOX.replace('"in"', '"config.toml"'), "is no folder; name the folder to watch"),
        (INBOX + INBOX.replace('"in"', '"in2"'), 'inbox "mail": an earlier inbox has the same name'),
        (INBOX + 'done = "d/{ner}"', "names {ner}, which is no task of this inbox. Known: spam, topic."),
        (INBOX + 'done = "d/{spam"', "braces hold the name of a task"),
        (INBOX + 'done = "d"\ntake = "leave"', 'inbox "mail": done is set, but take = "leave"'),
        (INBOX + 'output = "in"', 'inbox "mail": output "'),
        (INBOX + 'output = "in/x"\nrecursive = true', "lies inside the recursive inbox"),
        (INBOX + 'done = "in/{spam}"\nrecursive = true', "lies inside the recursive inbox"),
        (INBOX + 'quarantine = "in/x"\nrecursive = true', "lies inside the recursive inbox"),
        (INBOX + 'recursive = true\n[daemon]\nstate = "in/state"', "lies inside the recursive inbox"),
        (INBOX + 'output_mode = "rw"', 'inbox "mail": output_mode must be permission bits in octal digits, such as'),
        (INBOX + "output_mode = 640", "output_mode must be text in quotes"),
        (INBOX + 'output_mode = "4755"', "output_mode must be permission bits"),
        (INBOX + 'output_owner = "no one"', 'output_owner names the user "no one", not known here'),
        (INBOX + '[daemon]\noutput_group = "nogroup?"', '[daemon] output_group names the group "nogroup?", not known'),
        (INBOX + '[retention]\ndone = "30"', '[retention] done must be a duration such as "30d", "12h" or'),
        (INBOX + 'retention.ledger = "0d"', 'inbox "mail": retention.ledger must be a duration'),
        (INBOX + "[retention]\noutputs = 30", "[retention] outputs must be a duration"),
        (INBOX + '[receiver]\nname = "a"', "write [[receiver]]"),
        (INBOX + '[[receiver]]\nname = "a"', 'receiver "a": it needs either command or webhook'),
        (INBOX + '[[receiver]]\nname = "a"\nwebhook = "ftp://x"', 'receiver "a": webhook must be an address such as'),
        (INBOX + '[[receiver]]\nname = "a"\nwebhook = "https://u:p@x/"', "webhook must be an address"),
        (INBOX + '[[receiver]]\nname = "a"\ncommand = ["no-such-program"]', "no program that this user can run"),
        (INBOX + '[[receiver]]\nname = "a"\ncommand = ["sh"]\nsecret_env = "A"', "only webhooks are signed"),
        (INBOX + '[[receiver]]\nname = "a"\ncommand = ["sh"]\ninboxes = ["mial"]', 'no inbox. Did you mean "mail"?'),
        (INBOX + '[[receiver]]\nname = "a"\ncommand = ["sh"]\nendings = ["deleted"]', 'endings must be "published" or'),
        (INBOX + '[[receiver]]\nname = "a"\nwebhook = "http://x/"\nsecret_file = "no"', "cannot be read by this user"),
        (INBOX + '[[receiver]]\nname = "a"\nwebhook = "http://x/"\nca_file = "config.toml"', 'only a webhook at "https://'),
        (INBOX + '[[receiver]]\nname = "a"\nwebhook = "https://x/"\nca_file = "no"', "cannot be read: No such file"),
        (INBOX + '[[receiver]]\nname = "a"\nwebhook = "https://x/"\nca_file = "config.toml"', "no certificate in PEM"),
        ("[daemon\n", "line 1, column 8:"),
    ],
)  # fmt: skip
def test_one_fault_gets_one_sentence(file: Path, text: str, fault: str) -> None:
    [found] = faults(file, text)
    assert fault in found


def test_a_missing_folder_is_told_with_the_command_that_makes_it(file: Path) -> None:
    [found] = faults(file, INBOX.replace('"in"', '"no"'))
    missing = file.parent / "no"
    assert found == f'inbox "mail": the folder "{missing}" is missing; make it with: mkdir -p "{missing}"'


def test_two_inboxes_on_one_folder_are_seen_through_links(file: Path) -> None:
    (file.parent / "link").symlink_to("in")
    [found] = faults(file, INBOX + INBOX.replace('"mail"', '"b"').replace('"in"', '"link"') + 'output = "o"\n')
    assert found.startswith('inboxes "mail" and "b" watch one folder')


def test_an_inbox_inside_a_recursive_one_is_a_fault(file: Path) -> None:
    (file.parent / "in" / "b").mkdir()
    inner = INBOX.replace('"mail"', '"b"').replace('"in"', '"in/b"') + 'output = "o"\ndone = "d"\nquarantine = "q"\n'
    [found] = faults(file, INBOX + "recursive = true\n" + inner)
    assert 'inbox "b" lies inside the recursive inbox "mail"' in found
    load(file, INBOX + inner)


def test_an_output_inside_another_inbox_is_a_fault_but_not_inside_ones_own_flat_one(file: Path) -> None:
    (file.parent / "b").mkdir()
    other = INBOX.replace('"mail"', '"b"').replace('"in"', '"b"')
    [found] = faults(file, INBOX + 'output = "b/out"\n' + other)
    assert 'output "' in found
    assert 'inside the inbox "b"' in found
    load(file, INBOX + 'output = "in/out"\n')


def test_all_faults_are_told_at_once(file: Path) -> None:
    text = (
        "[daemon]\nwrokers = 1\nscan_seconds = 'x'\n"
        '[[inbox]]\nname = "mail"\npath = "no"\ntasks = ["spma"]\nx = 1\n'
        '[[inbox]]\nname = "b"\npath = "in"\ntasks = ["spam"]\nformat = "cvs"\n'
        '[[inbox]]\nname = "c"\npath = "in"\ntasks = ["spam"]\noutput = "o"\n'
    )
    found = faults(file, text, OFFERS, CLASSIFYD_DAEMON__THREADS="x", CLASSIFYD_DAMON__THREADS="1")
    expected = [
        '[daemon] scan_seconds must be a number, not the text "x"',
        '[daemon] there is no setting "wrokers"',
        'inbox "mail": there is no setting "x"',
        f'inbox "mail": the folder "{file.parent / "no"}" is missing',
        'inboxes "b" and "c" watch one folder',
        'inbox "mail": tasks names "spma"; no installed plugin offers it. Did you mean "spam"? Known: ner, spam,',
        'inbox "b": format is "cvs"; no installed plugin writes it. Did you mean "csv"? Known: csv, jsonl, same.',
        'CLASSIFYD_DAEMON__THREADS: threads must be a whole number, not the text "x"',
        'CLASSIFYD_DAMON__THREADS: there is no such section. Did you mean "daemon"?',
    ]
    for fault in expected:
        assert any(fault in line for line in found), fault
    assert len(found) == len(expected)


def test_tasks_and_formats_are_checked_once_the_plugins_were_asked(file: Path) -> None:
    found = load(file, INBOX.replace("spam", "spma") + 'format = "cvs"\n[tasks.topci]\n')
    with pytest.raises(ConfigError) as caught:
        config.check_tasks(found, OFFERS)
    known = "Known: ner, spam, topic."
    assert caught.value.faults == (
        f'{file}: inbox "mail": tasks names "spma"; no installed plugin offers it. Did you mean "spam"? {known}',
        f'{file}: [tasks.topci] is for a task that no installed plugin offers. Did you mean "topic"? {known}',
    )
    with pytest.raises(ConfigError, match='Did you mean "csv"'):
        config.check_formats(found, OFFERS)


@pytest.mark.parametrize(
    ("variable", "fault"),
    [
        ("CLASSIFYD_INBOX__MAIL", "inboxes are set in the file alone"),
        ("CLASSIFYD_DAEMON__WROKERS", 'there is no such setting. Did you mean "workers"?'),
        ("CLASSIFYD_DAEMON__A__B", "there is no such"),
    ],
)
def test_an_override_of_nothing_is_a_fault(file: Path, variable: str, fault: str) -> None:
    [found] = faults(file, INBOX, **{variable: "1"})
    assert found.startswith(variable)
    assert fault in found


@pytest.mark.parametrize(("data", "fault"), [(b"a = '\xff'", "line 1: not UTF-8"), (None, "No such file")])
def test_a_file_that_cannot_be_read_is_a_fault(file: Path, data: bytes | None, fault: str) -> None:
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(ConfigError, match=fault):
        config.load(file, {})


def test_commands_that_watch_nothing_do_without_the_folders(file: Path) -> None:
    file.write_text(INBOX.replace('"in"', '"no"'))
    assert config.load(file, {}, check_folders=False).inboxes[0].path == file.parent / "no"


# ---------------------------------------------------------------------- the file that is shipped


def test_the_shipped_file_is_right(tmp_path: Path) -> None:
    found = config.load(ROOT / "config.toml", {}, OFFERS, check_folders=False)
    assert [inbox.name for inbox in found.inboxes] == ["mail", "messages", "tables"]
    assert found.inboxes[0].done == str(ROOT / "done/mail/{spam}")


def test_what_the_shipped_file_comments_out_are_the_defaults(tmp_path: Path) -> None:
    text = (ROOT / "config.toml").read_text()
    spelt = re.sub(r"^# (\[|[a-z_.]+ = )", r"\1", text, flags=re.MULTILINE)
    assert spelt.count("\n[") > text.count("\n[")
    for example in (
        'text_field = "text"',
        "review_below = 0.8",
        'review = "review/mail"',
        'corrections = "corrections/mail"',
        'output_mode = "0640"',
        'output_owner = "mail"',
        'output_group = "mail"',
        'secret_env = "HOOK_SECRET"',
        'allow = ["classifyd-shouting"]',
    ):
        assert example in spelt
        spelt = spelt.replace(example, "")
    (tmp_path / "config.toml").write_text(spelt)
    (tmp_path / "plain.toml").write_text(text)
    full = config.load(tmp_path / "config.toml", {}, check_folders=False)
    plain = config.load(tmp_path / "plain.toml", {}, check_folders=False)
    assert [receiver.name for receiver in full.receivers] == ["crm", "hook"]
    assert dataclasses.replace(full, file=None, tasks={}, receivers=()) == dataclasses.replace(plain, file=None)


@pytest.mark.parametrize(
    "section",
    [
        DaemonSection,
        HttpSection,
        InboxSection,
        LimitsSection,
        ModelsSection,
        PluginsSection,
        ReceiverSection,
        RetentionSection,
        TaskSection,
        TrainSection,
    ],
)
def test_every_setting_is_in_the_shipped_file(section: type) -> None:
    text = (ROOT / "config.toml").read_text()
    settings = set(section.model_fields) - {"limits", "retention", "train"}  # type: ignore[attr-defined]  # all are pydantic models
    assert {name for name in settings if not re.search(rf"^(# )?{name} = ", text, re.MULTILINE)} == set()


# ---------------------------------------------------------------------- review and corrections


def test_review_and_corrections_are_folders_or_nothing(file: Path) -> None:
    [inbox] = load(file, INBOX + 'review = "review"\ncorrections = "fix"\n').inboxes
    assert (inbox.review, inbox.corrections) == (file.parent / "review", file.parent / "fix")
    [inbox] = load(file, INBOX).inboxes
    assert (inbox.review, inbox.corrections) == (None, None)


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ('review = "in"', 'lies inside the inbox "mail"'),
        ('corrections = "in"', 'inboxes "mail" and "mail/corrections" watch one folder'),
        (
            'corrections = "fix"\noutput = "fix/out"',
            'lies inside the recursive inbox "mail/corrections"',
        ),
        ('recursive = true\ncorrections = "in/fix"', 'inbox "mail/corrections" lies inside the recursive inbox "mail"'),
        ('review = "review"\ntake = "leave"', 'review is set, but take = "leave"'),
    ],
)
def test_folders_of_review_and_corrections_must_fit_with_the_others(file: Path, setting: str, fault: str) -> None:
    found = faults(file, f"{INBOX}{setting}\n")
    assert any(fault in one for one in found), found


# ---------------------------------------------------------------------- which plugins are let in


def test_denied_plugins_and_those_that_no_list_allows_are_refused_by_either_name() -> None:
    assert Admission().refusal("shouting", "classifyd-shouting") == ""
    assert (
        Admission(deny=("Classifyd_Shouting",)).refusal("shouting", "classifyd-shouting") == "[plugins] deny names it"
    )
    assert Admission(deny=("shouting",)).refusal("shouting", "other") == "[plugins] deny names it"
    assert Admission(allow=()).refusal("shouting", "other") == "[plugins] allow does not name it"
    assert Admission(allow=("shouting",)).refusal("shouting", "other") == ""
    assert Admission(allow=("shouting",), deny=("other",)).refusal("shouting", "other") == "[plugins] deny names it"
    assert Admission(allow=()).refusal("readers", "classifyd") == "", "our own need no allowing"
    assert Admission(deny=("topic",)).refusal("topic", "classifyd") == "[plugins] deny names it"


def test_an_inbox_whose_task_is_denied_is_a_fault_that_says_so(file: Path) -> None:
    text = INBOX.replace("spam", "shouting") + '[plugins]\ndeny = ["shouting"]\n'
    offers = Offers((*OFFERS.plugins, Offer("shouting", "loud", "1.2", kept_out="[plugins] deny names it")))
    [fault] = faults(file, text, offers)
    assert fault == (
        'inbox "mail": tasks names "shouting"; its plugin, shouting (loud 1.2), is kept out: [plugins] deny'
        " names it. Change that, or take the task out"
    )


def test_a_task_that_nobody_offers_may_be_one_of_a_plugin_that_was_not_asked(file: Path) -> None:
    offers = Offers((*OFFERS.plugins, Offer("voice", "loud", "1.2", kept_out="[plugins] deny names it")))
    [fault] = faults(file, INBOX.replace("spam", "shouting"), offers)
    assert fault.endswith("Not asked, because [plugins] keeps them out: voice (loud 1.2).")


def test_the_environment_gives_lists_as_names_between_commas(file: Path) -> None:
    found = load(file, INBOX, CLASSIFYD_PLUGINS__DENY="shouting, voice", CLASSIFYD_PLUGINS__ALLOW="")
    assert found.plugins == Admission(allow=(), deny=("shouting", "voice"))


@pytest.mark.parametrize("table", ['deny = "voice"', "deny = [1]", "dney = []", "allow = 1"])
def test_where_it_cannot_be_told_which_plugins_are_let_in_none_but_ours_are(file: Path, table: str) -> None:
    file.write_text(INBOX + f"[plugins]\n{table}\n")
    assert config.admission(file, {}) == Admission(allow=())
