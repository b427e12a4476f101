"""Whatever is wrong with config.toml is said at once, in sentences."""

from pathlib import Path

import pytest
from configs import INBOX, OFFERS, faults, load

from classifyd import config
from classifyd.errors import ConfigError


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
