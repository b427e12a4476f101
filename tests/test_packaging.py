"""The wheel is whole: models, configuration, plugins and licences in it, and what is pinned is what was tested."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "systemd" / "classifyd.service"
SYSTEMD = Path("/usr/bin/systemd-analyze")
HEAVY = {"torch", "transformers", "optimum", "optimum-onnx", "scikit-learn", "matplotlib", "tensorboard"}


def pins(name: str) -> dict[str, str]:
    """Names and versions of a constraint file."""
    lines = [Requirement(line) for line in (ROOT / "constraints" / name).read_text().splitlines()]
    return {canonicalize_name(line.name): str(line.specifier) for line in lines}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [path] = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_carries_the_configuration_and_every_model(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    committed = subprocess.run(
        ["git", "ls-files", "-z", "models", "config.toml"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    assert {f"classifyd/_shipped/{name}" for name in committed if name} <= names


def test_the_wheel_carries_the_daemon_the_kit_and_the_three_tasks(wheel: zipfile.ZipFile) -> None:
    packages = {"classifyd", "classifyd_bert", "classifyd_spam", "classifyd_topic", "classifyd_ner"}
    assert {f"{package}/{file}" for package in packages for file in ("__init__.py", "py.typed")} <= set(
        wheel.namelist()
    )


def test_the_wheel_carries_the_status_page(wheel: zipfile.ZipFile) -> None:
    page = {path.name for path in (ROOT / "daemon" / "classifyd" / "web" / "page").iterdir()}
    assert {f"classifyd/web/page/{name}" for name in page} <= set(wheel.namelist())
    assert len(page) == 5


def test_what_pip_installs_labels_a_file_without_a_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", symlinks=True)
    python, site = tmp_path / "env" / "bin" / "python", Path(pytest.__file__).parents[1]
    install = ["install", "--quiet", "--no-deps", "--no-index", str(wheel.filename)]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, *install], check=True, capture_output=True)
    # What it needs is there already; the checkout is not, which a path file of that folder would bring in.
    [packages] = (tmp_path / "env").glob("lib/python3.*/site-packages")
    (packages / "needed.pth").write_text(f"{site}\n")

    def classifyd(*arguments: str) -> str:
        command = [tmp_path / "env" / "bin" / "classifyd", *arguments]
        plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        tasks = {f"CLASSIFYD_TASKS__{task}__RUNTIME": "onnxruntime" for task in ("SPAM", "TOPIC", "NER")}
        ours = {"CLASSIFYD_DAEMON__WORKERS": "1", "CLASSIFYD_HTTP__LISTEN": "", **tasks}
        outcome = subprocess.run(command, cwd=tmp_path, env=plain | ours, capture_output=True, text=True, check=False)
        assert outcome.returncode == 0, outcome.stderr
        return outcome.stdout

    classifyd("init", "office")
    (tmp_path / "office" / "inbox" / "messages" / "a.txt").write_text("Maria flies to Berlin on Monday.")
    classifyd("run", "--once", "--config", "office/config.toml")
    (answer,) = (tmp_path / "office" / "labelled" / "messages").glob("*.jsonl")
    assert json.loads(answer.read_text())["annotations"].keys() == {"spam", "topic", "ner"}
    where = "import classifyd; print(classifyd.__file__)"
    outcome = subprocess.run([python, "-c", where], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert outcome.stdout.startswith(str(packages))


def test_the_wheel_carries_the_licence_and_the_notice(wheel: zipfile.ZipFile) -> None:
    assert {Path(name).name for name in wheel.namelist() if "/licenses/" in name} == {"LICENSE", "NOTICE"}


def test_built_in_tasks_readers_and_writers_are_entry_points_like_any_other() -> None:
    assert {"readers", "writers", "spam", "topic", "ner"} <= {point.name for point in entry_points(group="classifyd")}


def test_what_serves_has_the_versions_that_were_tested() -> None:
    tested = pins("test.txt")
    assert {name: pin for name, pin in pins("serve.txt").items() if tested.get(name) != pin} == {}


def test_what_serves_needs_no_torch() -> None:
    assert set(pins("serve.txt")) & HEAVY == set()


@pytest.mark.parametrize("name", ["serve.txt", "test.txt", "build.txt"])
def test_constraints_name_exact_public_versions(name: str) -> None:
    assert {pin for pin in pins(name).values() if not pin.startswith("==") or "+" in pin} == set()


@pytest.mark.skipif(not SYSTEMD.exists(), reason="systemd is not installed")
def test_the_unit_passes_systemds_own_check() -> None:
    outcome = subprocess.run([SYSTEMD, "verify", UNIT], capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stderr) == (0, "")
