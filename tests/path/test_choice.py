"""Which runtime a task runs in is chosen once, by one worker, and then holds for all workers, starts and commands."""

import json
import subprocess
import sys
from pathlib import Path

import tiny

from classifyd import bundles
from classifyd.service.choices import Choices

AUTO = {"CLASSIFYD_TASKS__SPAM__RUNTIME": "auto"}
TEXT = "Win a free prize now"


def events(here, name):
    lines = (line for line in here.log().splitlines() if line.startswith("{"))
    return [event for event in map(json.loads, lines) if event["event"] == name]


def command(here, *arguments):
    classifyd = str(Path(sys.executable).with_name("classifyd"))
    arguments = (classifyd, *arguments, "--config", str(here.root / "config.toml"))
    return subprocess.run(arguments, env=here.environment(AUTO), capture_output=True, text=True, check=True).stdout


def test_a_choice_outlives_its_daemon_and_commands_go_by_it(place, tmp_path):
    tiny.make_bundle(bundles.Store(tmp_path / "models"), "spam", ["ham", "spam"])
    here = place(tasks=("spam",), workers=2)
    assert "until the daemon has it choose" in command(here, "doctor", "--json")

    for name in ("a.txt", "b.txt"):
        here.drop(name, TEXT)
        assert 0 == here.once(more=AUTO)
    first, second = events(here, "chosen")
    assert (False, True) == (first["remembered"], second["remembered"])
    assert first["options"] == second["options"]
    ((choice),) = Choices(tmp_path / "state").known.values()
    assert first["options"] == choice.options

    assert choice.why in json.dumps(json.loads(command(here, "doctor", "--json")))
    here.drop("c.txt", TEXT)
    (labelled,) = map(json.loads, command(here, "label", str(tmp_path / "in" / "c.txt")).splitlines())
    (answered,) = here.records("a.txt.jsonl")
    assert answered["annotations"] == labelled["annotations"]


def test_a_choice_that_cannot_be_kept_is_not_made_use_of_and_the_daemon_starts(place, tmp_path):
    tiny.make_bundle(bundles.Store(tmp_path / "models"), "spam", ["ham", "spam"])
    here = place(tasks=("spam",))
    (tmp_path / "state" / "choices.json").mkdir(parents=True)
    here.drop("a.txt", TEXT)
    assert 0 == here.once(more=AUTO)
    assert events(here, "choices_unreadable")
    assert events(here, "choice_not_kept")
    assert not events(here, "chosen")
    assert {"a.txt.jsonl"} == here.files("out")
