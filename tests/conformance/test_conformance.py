"""`classifyd plugins test` finds what a plugin does wrong, outlives it, and finds nothing where nothing is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import make_bundle

from classifyd.bundles import Store

CLASSIFYD = Path(sys.executable).with_name("classifyd")
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MESSAGES = ROOT / "examples" / "messages"
Found = dict[tuple[str, str], tuple[str, str]]


def installed(folder: Path, name: str, code: str) -> dict[str, str]:
    """The environment of a process that finds a plugin of one module installed."""
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[classifyd]\n{name} = {name}\n")
    (folder / f"{name}.py").write_text(code)
    return os.environ | {"PYTHONPATH": str(folder)}


def tried(name: str, *options: object, env: dict[str, str], cwd: Path) -> tuple[int, Found]:
    """The exit code, and each verdict with what was said, by subject and check."""
    command = [CLASSIFYD, "plugins", "test", name, "--json", *map(str, options)]
    outcome = subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, check=False)
    found = json.loads(outcome.stdout)
    return outcome.returncode, {(one["subject"], one["check"]): (one["verdict"], one["said"]) for one in found}


@pytest.fixture(scope="module")
def villains(tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("villains")
    environ = installed(folder / "site", "villains", (HERE / "villains.py").read_text())
    limited = environ | {"CLASSIFYD_DAEMON__WORKER_MEMORY_BYTES": str(2**30)}
    (folder / "in").mkdir()
    inbox = '[[inbox]]\nname = "a"\npath = "in"\ntasks = ["exits"]\n'
    (folder / "config.toml").write_text(inbox)
    code, found = tried("villains", "--seconds", 4, "--config", folder / "config.toml", env=limited, cwd=folder)
    assert code == 1
    return found


DEATHS = {
    "exits": "ended with exit code 3",
    "crashes": "SIGSEGV",
    "hangs": "took longer than 4 s and was killed",
    "closes": "closed descriptors that it does not own",
    "writes_garbage": "wrote into the line",
    "raises_exit": "Escaped: SystemExit",
    "takes_memory": "MemoryError",
}


@pytest.mark.parametrize("task", DEATHS)
def test_what_ends_or_holds_up_the_process_is_a_finding_and_the_checks_go_on(villains: Found, task: str) -> None:
    verdict, said = villains[f"task {task}", "empty texts"]
    assert verdict == "failed"
    assert DEATHS[task] in said or (task == "takes_memory" and "ran out of the memory" in said)
    others = {check: found[0] for (subject, check), found in villains.items() if subject == f"task {task}"}
    assert {check for check, verdict in others.items() if verdict not in ("passed", "noted")} == {"empty texts"}
    assert len(others) == 13


def test_a_child_that_comes_back_ends_and_changes_nothing(villains: Found) -> None:
    assert {found[0] for (subject, _), found in villains.items() if subject == "task forks"} == {"passed"}


@pytest.mark.parametrize(
    ("task", "check", "said"),
    [
        ("one_too_few", "one answer each, in order", "gave 39 answers for 40 records"),
        ("counts_calls", "one answer each, in order", "another answer in the opposite order"),
        ("looks_at_the_batch", "alike in every batch", "another answer in batches of 1"),
        ("keeps_everything", "memory for a record", "stay behind for each record"),
        ("explains_another", "explains its answers", "explained another answer than the one that it gives"),
        ("weighs", "explains its answers", "weigh 2 together, not 1"),
        ("unpickles", "unpickles nothing", "classifyd.values.records.Record"),
    ],
)
def test_a_broken_promise_is_found_by_the_check_that_is_for_it(
    villains: Found, task: str, check: str, said: str
) -> None:
    verdict, text = villains[f"task {task}", check]
    assert verdict == "failed"
    assert said in text


def test_a_task_that_ends_its_process_while_it_loads_is_not_loaded_again(villains: Found) -> None:
    found = {check: verdict for (subject, check), (verdict, _) in villains.items() if subject == "task loads_never"}
    assert found.pop("loads") == "failed"
    assert set(found.values()) == {"skipped"}
    assert len(found) == 12


def test_what_is_no_breach_but_worth_knowing_is_noted(villains: Found) -> None:
    verdict, said = villains["task scores_of_its_own", "plain values"]
    assert verdict == "noted"
    assert "Score" in said


def test_readers_writers_and_observers_are_tried_too(villains: Found) -> None:
    verdict, said = villains["reader broken", "hostile contents"]
    assert (verdict, "UnicodeDecodeError" in said) == ("failed", True)
    verdict, said = villains["writer forgetful", "leaves texts out"]
    assert (verdict, "include_text is false" in said) == ("failed", True)
    verdict, said = villains["observer", "file_done"]
    assert (verdict, said) == ("failed", "UnreadableFile: no")


def test_a_plugin_that_ends_its_process_when_it_is_imported_is_one_finding(tmp_path: Path) -> None:
    environ = installed(tmp_path / "site", "gone", "import os\nos._exit(9)\n")
    code, found = tried("gone", env=environ, cwd=tmp_path)
    assert (code, found) == (1, {("plugin", "import"): ("failed", "its process ended with exit code 9")})


def test_a_plugin_that_cannot_be_imported_is_one_finding(tmp_path: Path) -> None:
    environ = installed(tmp_path / "site", "broken", "import nonsense_that_is_not_there\n")
    code, found = tried("broken", env=environ, cwd=tmp_path)
    assert (code, found.keys()) == (1, {("plugin", "import")})
    assert "nonsense_that_is_not_there" in found["plugin", "import"][1]


def test_our_own_readers_and_writers_keep_every_promise(tmp_path: Path) -> None:
    whole = [path for path in sorted(MESSAGES.iterdir()) if path.name != "half.jsonl.gz"]
    samples = [argument for path in whole for argument in ("--sample", path)]
    for name in ("readers", "writers"):
        code, found = tried(name, *samples, env=dict(os.environ), cwd=tmp_path)
        assert code == 0, found
        assert {one for one, (verdict, _) in found.items() if verdict == "failed"} == set()
        skipped = {subject for (subject, _), (verdict, _) in found.items() if verdict == "skipped"}
        assert skipped <= {"reader json", "reader parquet"}


def test_a_task_of_the_kit_keeps_every_promise(tmp_path: Path) -> None:
    make_bundle(Store(tmp_path / "models"), "spam", ["ham", "spam"])
    (tmp_path / "in").mkdir()
    (tmp_path / "config.toml").write_text('[[inbox]]\nname = "a"\npath = "in"\ntasks = ["spam"]\n')
    code, found = tried("spam", "--config", "config.toml", env=dict(os.environ), cwd=tmp_path)
    assert code == 0, found
    assert {verdict for verdict, _ in found.values()} == {"passed"}


def test_a_task_that_has_no_model_yet_is_told_to_train_one(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "config.toml").write_text('[[inbox]]\nname = "a"\npath = "in"\ntasks = ["spam"]\n')
    code, found = tried("spam", "--config", "config.toml", env=dict(os.environ), cwd=tmp_path)
    assert code == 0
    verdict, said = found["task spam", "loads"]
    assert verdict == "skipped"
    assert "classifyd train spam" in said
    assert found["task spam", "without a model"][0] == "passed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("spma",), 'Did you mean "spam"?'), (("spam", "--sample", "nothing.txt"), "there is no such file")],
)
def test_what_is_not_there_cannot_be_tried(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    command = [CLASSIFYD, "plugins", "test", *arguments]
    outcome = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert outcome.returncode == 2
    assert said in outcome.stderr
