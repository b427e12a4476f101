"""What authors and operators see of plugins: which there are, which are kept out, and what their calls cost."""

import json
from pathlib import Path

from console import Run, install

MARKER = "from pathlib import Path\nPath(__file__).with_name('was-imported').touch()\n"


def test_the_list_shows_where_a_plugin_is_from_and_what_it_offers_and_hooks_into(run: Run) -> None:
    lines = run("plugins", "list").stdout.splitlines()
    [shouting] = [line.split() for line in lines if line.startswith("shouting")]
    assert shouting == ["shouting", "shouting", "1.0", "shouting", "register_tasks"]
    [spam] = [line.split() for line in lines if line.startswith("spam")]
    assert spam[:2] == ["spam", "classifyd"]


def test_a_plugin_that_offers_what_is_no_task_is_told_what_it_lacks(run: Run, plugins: Path) -> None:
    install(plugins, "half", "class Half:\n    name = 'half'\ndef register_tasks():\n    return [Half()]\n")
    outcome = run("plugins", "list")
    assert "half: cannot be loaded" in outcome.stderr
    assert "which is no Task: it has no load; see classifyd.api.Task" in outcome.stderr


def test_a_denied_plugin_is_not_imported_by_any_command(run: Run, office: Path, plugins: Path) -> None:
    install(plugins, "marked", MARKER)
    config = office / "config.toml"
    config.write_text(config.read_text() + '[plugins]\ndeny = ["marked", "shouting"]\n')
    (office / "hello.txt").write_text("HELLO")
    listed = run("plugins", "list", "--config", config)
    assert "marked: kept out, and not imported: [plugins] deny names it (marked 1.0)" in listed.stderr
    assert run("config", "check", "--config", config).returncode == 78
    assert run("run", "--once", "--config", config).returncode == 78
    run("doctor", "--config", config)
    run("label", "--config", config, "--task", "topic", office / "hello.txt")
    assert not (plugins / "was-imported").exists()
    run("plugins", "list")
    assert (plugins / "was-imported").exists(), "else this test could not fail"


def test_a_configuration_with_faults_does_not_let_in_what_it_denies(run: Run, office: Path, plugins: Path) -> None:
    install(plugins, "marked", MARKER)
    config = office / "config.toml"
    config.write_text(config.read_text() + 'nonsense = 1\n[plugins]\ndeny = ["marked"]\n')
    assert run("run", "--once", "--config", config).returncode == 78
    assert run("config", "check", "--config", config).returncode == 78
    assert not (plugins / "was-imported").exists()


def test_an_inbox_whose_task_is_denied_is_refused_by_the_daemon_with_the_reason(run: Run, office: Path) -> None:
    config = office / "config.toml"
    config.write_text(config.read_text() + '[plugins]\nallow = ["other"]\n')
    outcome = run("run", "--once", "--config", config)
    assert outcome.returncode == 78
    assert 'inbox "all": tasks names "shouting"; its plugin, shouting (shouting 1.0), is kept out' in outcome.stderr
    assert "[plugins] allow does not name it" in outcome.stderr


def calls(log: str) -> dict[str, dict[str, object]]:
    """The traced calls of a log in JSON lines, by what was called."""
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return {event["call"]: event for event in events if event["event"] == "plugin_called"}


def test_a_trace_shows_each_call_of_a_plugin_with_its_time(run: Run, here: Path) -> None:
    (here / "hello.txt").write_text("HELLO")
    outcome = run("label", "--task", "shouting", "hello.txt", CLASSIFYD_TRACE_PLUGINS="1")
    assert json.loads(outcome.stdout)["annotations"]["shouting"]["label"] == "loud"
    found = calls(outcome.stderr)
    assert {"shouting: import", "shouting: register_tasks", "shouting: load", "shouting: predict"} <= found.keys()
    assert {"text: read", "jsonl: write"} <= found.keys()
    assert found["shouting: predict"]["records"] == 1
    assert found["text: read"]["items"] == 1
    assert all(0 <= float(str(event["seconds"])) < 60 for event in found.values())


def test_a_trace_tells_what_a_call_raised_and_the_daemons_workers_trace_too(
    run: Run, office: Path, plugins: Path
) -> None:
    code = (plugins / "shouting.py").read_text()
    (plugins / "shouting.py").write_text(
        code.replace("        return [[", "        raise ValueError(1)\n        return [[")
    )
    (office / "in" / "hello.txt").write_text("HELLO")
    outcome = run("run", "--once", "--config", office / "config.toml", CLASSIFYD_TRACE_PLUGINS="1")
    assert calls(outcome.stderr)["shouting: predict"]["raised"] == "ValueError"


def test_without_being_asked_for_nothing_is_traced(run: Run, here: Path) -> None:
    (here / "hello.txt").write_text("HELLO")
    assert run("label", "--task", "shouting", "hello.txt", CLASSIFYD_TRACE_PLUGINS="0").stderr == ""
