"""`run`, `status`, `retry`, `init` and `doctor` around a daemon that really works."""

import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from console import CLASSIFYD, Run, install


def status_of(run: Run, office: Path) -> dict[str, Any]:
    outcome = run("status", "--config", office / "config.toml", "--json")
    assert outcome.returncode == 0, outcome.stderr
    document: dict[str, Any] = json.loads(outcome.stdout)
    return document


def counts(document: dict[str, Any]) -> tuple[int, int, int, int]:
    [inbox] = document["inboxes"]
    return inbox["waiting"], inbox["claimed"], inbox["done"], inbox["quarantined"]


def test_a_file_goes_from_waiting_to_done_and_back_from_quarantine(run: Run, office: Path) -> None:
    config = office / "config.toml"
    (office / "in" / "a.txt").write_text("HELLO")
    (office / "in" / "b.bin").write_bytes(bytes(range(256)))
    assert counts(status_of(run, office)) == (2, 0, 0, 0)
    assert run("run", "--once", "--config", config).returncode == 1
    assert counts(status_of(run, office)) == (0, 0, 1, 1)
    (office / "bad" / "b.bin").write_text("mended")
    outcome = run("retry", "b.bin", "--config", config)
    assert outcome.returncode == 0, outcome.stderr
    assert counts(status_of(run, office)) == (1, 0, 1, 0)
    assert list((office / "bad").iterdir()) == []
    (office / "in" / "b.bin").rename(office / "in" / "b.txt")
    assert run("run", "--once", "--config", config).returncode == 0
    document = status_of(run, office)
    assert counts(document) == (0, 0, 2, 0)
    assert document["daemon"]["state"] == "stopped"
    assert document["inboxes"][0]["minute"]["records"] == 2


def test_status_tells_of_a_daemon_that_runs(run: Run, office: Path, plugins: Path) -> None:
    command = [CLASSIFYD, "run", "--config", office / "config.toml"]
    environ = os.environ | {"PYTHONPATH": str(plugins)}
    process = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (office / "state" / "status.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        daemon = status_of(run, office)["daemon"]
        assert (daemon["state"], daemon["pid"], daemon["held"]) == ("running", process.pid, {})
        assert f"process {process.pid}" in run("status", "--config", office / "config.toml").stdout
    finally:
        process.terminate()
        assert process.wait(60) == 0
    assert status_of(run, office)["daemon"]["state"] == "stopped"


def test_status_for_people_names_the_inbox_and_says_how_to_retry(run: Run, office: Path) -> None:
    quarantine(office, "a.txt", "x")
    outcome = run("status", "--config", office / "config.toml")
    assert outcome.returncode == 0
    assert "The daemon is not running." in outcome.stdout
    assert "all " in outcome.stdout
    assert "classifyd retry" in outcome.stdout


def test_status_says_why_what_an_inbox_leaves_in_place_got_no_answer(run: Run, office: Path) -> None:
    config = office / "config.toml"
    settings = [line for line in config.read_text().splitlines() if not line.startswith("done")]
    config.write_text("\n".join(settings) + '\ntake = "leave"\n')
    bad = office / "in" / "b.txt"
    bad.write_bytes(bytes(range(256)))
    assert run("run", "--once", "--config", config).returncode == 1
    told = run("status", "--config", config).stdout
    assert "left in inbox all: b.txt: looks like binary data" in told
    assert "classifyd retry" not in told

    bad.write_text("mended")
    assert run("run", "--once", "--config", config).returncode == 0
    assert "left in inbox" not in run("status", "--config", config).stdout
    assert bad.read_text() == "mended"


def test_a_bad_configuration_exits_78_with_all_faults_those_of_tasks_too(run: Run, office: Path) -> None:
    config = office / "config.toml"
    config.write_text(config.read_text().replace("shouting", "shoutng").replace('"in"', '"no"') + "x = 1\n")
    for command in ("run", "config check"):
        outcome = run(*command.split(), "--config", config)
        assert outcome.returncode == 78
        assert outcome.stdout == ""
        assert 'there is no setting "x"' in outcome.stderr
        assert "is missing; make it with" in outcome.stderr
        assert 'Did you mean "shouting"?' in outcome.stderr
        assert "Traceback" not in outcome.stderr


def test_without_a_configuration_the_ways_to_one_are_told(run: Run) -> None:
    outcome = run("run")
    assert outcome.returncode == 78
    assert "--config" in outcome.stderr
    assert "classifyd init" in outcome.stderr


# ---------------------------------------------------------------------- retry


def quarantine(office: Path, name: str, text: str, **reason: object) -> Path:
    place = office / "bad" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    Path(f"{place}.reason.json").write_text(json.dumps({"inbox": "all", **reason}))
    return place


def test_retry_without_names_takes_all_and_overwrites_nothing(run: Run, office: Path) -> None:
    (office / "in" / "a.txt").write_text("newer")
    quarantine(office, "a.txt", "older")
    quarantine(office, "sub/b.txt", "b")
    outcome = run("retry", "--config", office / "config.toml")
    assert outcome.returncode == 0
    inbox = office / "in"
    assert {str(p.relative_to(inbox)): p.read_text() for p in inbox.rglob("*.txt")} == {
        "a.txt": "newer",
        "a.1.txt": "older",
        "sub/b.txt": "b",
    }
    assert [path for path in (office / "bad").rglob("*") if path.is_file()] == []


def test_retry_gives_an_input_its_original_name_even_if_that_is_not_utf8(run: Run, office: Path) -> None:
    name = b"caf\xe9\n.txt"
    quarantine(office, "shortened.txt", "x", path_hex=name.hex())
    assert run("retry", "shortened.txt", "--config", office / "config.toml").returncode == 0
    assert [os.fsencode(path.name) for path in (office / "in").iterdir()] == [name]


@pytest.mark.parametrize("name", [b"../../etc/x", b"/etc/x", b"a\0b", b""])
def test_a_reason_file_cannot_send_an_input_elsewhere(run: Run, office: Path, name: bytes) -> None:
    quarantine(office, "a.txt", "x", path_hex=name.hex())
    assert run("retry", "--config", office / "config.toml").returncode == 0
    assert (office / "in" / "a.txt").read_text() == "x"


def test_retry_of_a_name_that_is_not_there_says_so_and_takes_the_others(run: Run, office: Path) -> None:
    quarantine(office, "a.txt", "x")
    outcome = run("retry", "a.txt", "b.txt", "--config", office / "config.toml")
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("b.txt: not in quarantine")
    assert (office / "in" / "a.txt").exists()


def test_a_reason_left_by_a_killed_retry_is_removed_but_not_a_fresh_one(run: Run, office: Path) -> None:
    for name in ("old", "fresh"):
        quarantine(office, name, "x").unlink()
    os.utime(office / "bad" / "old.reason.json", (0, 0))
    outcome = run("retry", "--config", office / "config.toml")
    assert (outcome.returncode, outcome.stdout) == (0, "nothing in quarantine\n")
    assert [path.name for path in (office / "bad").iterdir()] == ["fresh.reason.json"]


# ---------------------------------------------------------------------- init, config, doctor


def test_init_makes_a_folder_that_runs(run: Run, here: Path) -> None:
    outcome = run("init", "new")
    assert outcome.returncode == 0, outcome.stderr
    assert sorted(path.name for path in (here / "new" / "inbox").iterdir()) == ["mail", "messages", "tables"]
    assert (here / "new" / "models").is_dir()
    assert run("config", "check", "--config", "new/config.toml").returncode == 0
    config = here / "new" / "config.toml"
    config.write_text(
        config.read_text().replace('"spam", "topic", "ner"', '"shouting"').replace("{spam}", "{shouting}")
    )
    (here / "new" / "inbox" / "mail" / "a.txt").write_text("HELLO")
    ran = run("run", "--once", "--config", "new/config.toml", CLASSIFYD_DAEMON__WORKERS="1")
    assert ran.returncode == 0, ran.stderr
    assert (here / "new" / "labelled" / "mail" / "a.txt.jsonl").exists()
    assert (here / "new" / "done" / "mail" / "loud" / "a.txt").exists()


def test_init_changes_nothing_where_a_configuration_is(run: Run, office: Path) -> None:
    before = (office / "config.toml").read_text()
    outcome = run("init", office)
    assert outcome.returncode == 2
    assert "nothing was changed" in outcome.stderr
    assert (office / "config.toml").read_text() == before


def test_what_config_show_prints_can_be_used_and_is_the_same(run: Run, office: Path, here: Path) -> None:
    with (office / "config.toml").open("a") as file:
        file.write('limits.record_bytes = 5\n[tasks.shouting]\nreview_below = 0.5\nwords = ["a\\u007f", 1]\n')
    shown = run("config", "show", "--config", office / "config.toml", CLASSIFYD_DAEMON__THREADS="2")
    assert shown.returncode == 0, shown.stderr
    assert "threads = 2" in shown.stdout
    (here / "again.toml").write_text(shown.stdout)
    again = run("config", "show", "--config", "again.toml")
    assert again.stdout.splitlines()[1:] == shown.stdout.splitlines()[1:]


def test_doctor_finds_nothing_bad_in_a_good_place(run: Run, office: Path) -> None:
    outcome = run("doctor", "--config", office / "config.toml", "--json")
    assert outcome.returncode == 0, outcome.stdout
    findings = json.loads(outcome.stdout)
    assert {finding["about"] for finding in findings} >= {
        "inbox all",
        "state",
        "events",
        "processor",
        "plugins",
        "page",
    }


def test_doctor_says_what_mends_each_fault(run: Run, office: Path, plugins: Path) -> None:
    install(plugins, "broken", "import nonsense")
    (office / "in").rmdir()
    outcome = run("doctor", "--config", office / "config.toml", "--json")
    assert outcome.returncode == 1
    bad = {f["about"]: f for f in json.loads(outcome.stdout) if f["state"] == "bad"}
    assert bad["inbox all"]["mend"] == f"mkdir -p {office / 'in'}"
    assert "broken" in bad["plugins"]["what"]
    assert bad["plugins"]["mend"]


def test_doctor_finds_a_full_disk_a_damaged_ledger_a_taken_port_and_a_receiver_that_is_not_there(
    run: Run, office: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, (office / "config.toml").open("a") as file:
        port = other.getsockname()[1]
        file.write(f'[http]\nlisten = "127.0.0.1:{port}"\n[[receiver]]\nname = "crm"\ncommand = ["nothing-there"]\n')
        file.flush()
        (office / "state").mkdir()
        (office / "state" / "ledger.sqlite").write_bytes(b"no ledger at all, " * 100)
        settings = {"CLASSIFYD_DAEMON__MIN_FREE_BYTES": "1000 TiB"}
        outcome = run("doctor", "--config", office / "config.toml", "--json", **settings)
    assert outcome.returncode == 1, outcome.stderr
    bad = {finding["about"]: finding for finding in json.loads(outcome.stdout) if finding["state"] == "bad"}
    assert {"room", "ledger", "page", "receivers"} <= bad.keys()
    assert all(finding["mend"] for finding in bad.values())
    assert "ss -ltnp" in bad["page"]["mend"]
    assert "not a database" in bad["ledger"]["what"]


def test_plugins_list_shows_what_works_and_what_does_not(run: Run, plugins: Path) -> None:
    install(plugins, "broken", "import nonsense")
    outcome = run("plugins", "list")
    assert outcome.returncode == 0
    assert "shouting" in outcome.stdout
    assert "broken: cannot be loaded" in outcome.stderr
    assert "nonsense" in outcome.stderr
    listed = json.loads(run("plugins", "list", "--json").stdout)
    assert [plugin["tasks"] for plugin in listed if plugin["name"] == "shouting"] == [["shouting"]]


def test_an_input_that_is_called_like_a_reason_is_put_back_and_never_removed(run: Run, office: Path) -> None:
    (office / "bad").mkdir()
    forged = office / "bad" / "a.txt.reason.json"
    forged.write_text("[")
    (office / "bad" / "a.txt.reason.json.reason.json").write_text("{}")
    os.utime(forged, (1, 1))
    outcome = run("retry", "--config", office / "config.toml")
    assert outcome.returncode == 0, outcome.stderr
    assert (office / "in" / "a.txt.reason.json").read_text() == "["


def test_nothing_is_put_back_through_a_link_in_the_inbox(run: Run, office: Path, here: Path) -> None:
    (here / "secret").mkdir()
    (office / "in" / "sub").symlink_to(here / "secret")
    (office / "bad" / "sub").mkdir(parents=True)
    (office / "bad" / "sub" / "a.txt").write_text("x")
    (office / "bad" / "sub" / "a.txt.reason.json").write_text("{}")
    assert run("retry", "--config", office / "config.toml").returncode == 0
    assert list((here / "secret").iterdir()) == []
    assert (office / "in" / "sub%2Fa.txt").read_text() == "x"
