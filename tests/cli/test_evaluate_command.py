"""`classifyd evaluate` measures any bundle on any data, reports on it, and compares two versions."""

import functools
import json
import os
from pathlib import Path

import pytest
import tiny
from console import Run

from classifyd.bundles import Store

TEXTS = (
    "Win a free prize now",
    "Hello Maria, meeting in Berlin on Monday",
    "the free meeting",
    "prize from Maria",
    "now",
)


@pytest.fixture
def evaluate(run: Run, plugins: Path) -> Run:
    """Runs `classifyd evaluate` with this tree's packages before any installed ones."""
    path = os.pathsep.join([str(plugins), os.environ.get("PYTHONPATH", "")])
    return functools.partial(run, "evaluate", PYTHONPATH=path)


@pytest.fixture
def data(here: Path) -> Path:
    """Texts with labels, of two sources."""
    rows = [
        {"text": f"{text} {n}", "label": ("spam", "ham")[n % 2], "source": "ab"[n % 2]}
        for text in TEXTS
        for n in range(8)
    ]
    path = here / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def store(here: Path) -> Store:
    """Three versions of `spam`: the second differs from the first, the third does not."""
    made = Store(here / "models")
    for seed in (0, 5, 0):
        tiny.make_bundle(made, "spam", ["ham", "spam"], seed=seed)
    return made


def test_figures_go_to_stdout_and_a_report_into_its_folder(evaluate: Run, store: Store, data: Path, here: Path) -> None:
    done = evaluate("spam", "--data", data, "--version", 1, "--report", "out", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert set(figures) == {"all", "a", "b"}
    assert figures["all"]["model"] == "spam@1"
    said = (here / "out" / "report.md").read_text()
    assert f"accuracy **{figures['all']['accuracy']:.4f}**" in said
    assert f"expected calibration error **{figures['all']['calibration_error']:.4f}**" in said
    assert "classifyd evaluate spam --data" in said
    assert store.open("spam", 1).digest in said
    page = (here / "out" / "report.html").read_text()
    assert 'src="data:image/png;base64,' in page
    assert "meeting in Berlin" in page
    assert (here / "out" / "reliability.png").is_file()


def test_a_report_leaves_texts_out_if_told_to(evaluate: Run, store: Store, data: Path, here: Path) -> None:
    assert evaluate("spam", "--data", data, "--report", "out", "--no-texts").returncode == 0
    for name in ("report.md", "report.html"):
        assert "Berlin" not in (here / "out" / name).read_text()


def test_two_versions_are_held_against_each_other(evaluate: Run, store: Store, data: Path) -> None:
    done = evaluate("spam", "--data", data, "--compare", 1, 2, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["before"], found["after"]) == ("spam@1", "spam@2")
    assert found["f1"]["low"] <= found["f1"]["change"] <= found["f1"]["high"]
    assert found["turned_right"] + found["turned_wrong"] > 0
    assert set(found["labels"]) == {"ham", "spam"}


def test_versions_that_say_the_same_are_level(evaluate: Run, store: Store, data: Path) -> None:
    done = evaluate("spam", "--data", data, "--compare", 1, 3)
    assert done.returncode == 0, done.stderr
    assert "0 texts turned right, 0 turned wrong." in done.stdout
    assert "spam@3 is neither better nor worse than spam@1: the difference may be noise" in done.stdout


@pytest.mark.parametrize("option", [("--version", 1), ("--report", "out")])
def test_a_comparison_takes_no_other_version_and_makes_no_report(
    evaluate: Run, store: Store, data: Path, option: tuple[str, object]
) -> None:
    done = evaluate("spam", "--data", data, "--compare", 1, 2, *option)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--compare names two versions" in done.stderr


def test_a_version_that_is_not_there_is_named(evaluate: Run, store: Store, data: Path) -> None:
    done = evaluate("spam", "--data", data, "--compare", 1, 9)
    assert done.returncode == 78
    assert "spam/9" in done.stderr


def test_figures_need_no_training_library_and_a_report_says_what_it_needs(
    evaluate: Run, store: Store, data: Path, tmp_path: Path
) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    for name in ("matplotlib", "sklearn", "seqeval", "scipy", "torch", "transformers"):
        (hidden / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name}', name={name!r})\n")
    path = os.pathsep.join([str(hidden), os.environ.get("PYTHONPATH", "")])
    assert evaluate("spam", "--data", data, PYTHONPATH=path).returncode == 0
    done = evaluate("spam", "--data", data, "--report", "out", PYTHONPATH=path)
    assert done.returncode == 1
    assert "pip install 'classifyd[train]'" in done.stderr
    assert "Traceback" not in done.stderr
