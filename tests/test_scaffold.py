"""`classifyd plugins new` writes a package that is whole: it installs, passes its own checks, is found, and works."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from classifyd import scaffold
from classifyd.errors import UsageError

BIN = Path(sys.executable).parent
KINDS = {"urgency": (), "sentiment": ("--bert",)}


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, dict[str, str]]:
    """The task's name, its new package, and the environment of a process that finds it installed."""
    name = request.param
    here = tmp_path_factory.mktemp("new")
    subprocess.run([BIN / "classifyd", "plugins", "new", name, *KINDS[name]], cwd=here, check=True, capture_output=True)
    package = here / f"classifyd-{name}"
    quiet = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([sys.executable, "-m", "pip", "install", *quiet, "--target", here / "site", package], check=True)
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("COV", "PYTEST"))}
    return name, package, plain | {"PYTHONPATH": str(here / "site")}


@pytest.mark.parametrize(
    "check",
    [
        ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        ("ruff", "check", "--no-cache", "."),
        ("ruff", "format", "--no-cache", "--check", "."),
        ("mypy", "--cache-dir", "../../types"),
    ],
    ids=lambda check: " ".join(check[:3]),
)
def test_a_new_package_passes_its_own_checks(made: tuple[str, Path, dict[str, str]], check: tuple[str, ...]) -> None:
    _, package, environ = made
    outcome = subprocess.run(
        [BIN / check[0], *check[1:]], cwd=package, env=environ, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_a_new_plugin_is_listed(made: tuple[str, Path, dict[str, str]]) -> None:
    name, package, environ = made
    command = [BIN / "classifyd", "plugins", "list", "--json"]
    listed = subprocess.run(command, cwd=package, env=environ, capture_output=True, text=True, check=True).stdout
    [offer] = [offer for offer in json.loads(listed) if offer["name"] == name]
    assert (offer["distribution"], offer["version"]) == (f"classifyd-{name}", "0.1.0")
    assert (offer["tasks"], offer["hooks"], offer["problem"]) == ([name], ["register_tasks"], None)


def test_a_new_plugin_labels(made: tuple[str, Path, dict[str, str]], tmp_path: Path) -> None:
    name, _, environ = made
    (tmp_path / "a.txt").write_text("Who is there?")
    command = [BIN / "classifyd", "label", "--task", name, "a.txt"]
    outcome = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    if KINDS[name]:
        assert outcome.returncode == 78
        assert f"classifyd train {name}" in outcome.stderr
    else:
        assert json.loads(outcome.stdout)["annotations"][name]["label"] == "question"


@pytest.mark.parametrize("kind", ["rule", "kit"])
@pytest.mark.parametrize("check", [("check",), ("format", "--check")], ids=" ".join)
def test_the_longest_name_makes_no_line_too_long(kind: scaffold.Kind, check: tuple[str, ...], tmp_path: Path) -> None:
    scaffold.create("a" * scaffold.LONGEST, tmp_path / "new", kind)
    command = [BIN / "ruff", *check, "--no-cache", "."]
    outcome = subprocess.run(command, cwd=tmp_path / "new", capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("My Task", "my_task would do"),
        ("3", "a letter first"),
        ("class", "Python keeps that word"),
        ("spam", "installed already (classifyd)"),
        ("a" * (scaffold.LONGEST + 1), "choose a shorter name"),
    ],
)
def test_a_name_that_will_not_do_is_refused_and_nothing_is_written(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        scaffold.create(name, tmp_path / "new", "rule")
    assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(UsageError, match="nothing was changed"):
        scaffold.create("urgency", tmp_path, "rule")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_every_template_is_written(tmp_path: Path) -> None:
    for kind in ("rule", "kit"):
        written = scaffold.create("urgency", tmp_path / kind, kind)
        assert len(written) == len([path for path in (scaffold.TEMPLATES / kind).rglob("*") if path.is_file()])
        assert not any("$" in path.read_text() for path in written)
