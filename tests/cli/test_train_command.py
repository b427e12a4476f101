"""`classifyd train --check-data`, and what a training says before it begins."""

import json
from pathlib import Path

import pytest
from console import Run

SAFE = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def data(here: Path) -> Path:
    """Sixty texts of each label, one of them twice, one with broken characters."""
    rows = [
        f"{first}x {second}y {label}{first}{second} {label}{second}{first} {second}z,{label}"
        for label in ("ham", "spam")
        for first in SAFE[:6]
        for second in SAFE[:10]
    ]
    path = here / "data.csv"
    path.write_text("\n".join(["text,label", *rows, rows[0], "a caf\u00c3\u00a9 in the old town,ham"]) + "\n")
    return path


def test_sound_data_is_shown_in_tables_and_ends_with_0(run: Run, data: Path) -> None:
    outcome = run("train", "spam", "--data", data, "--check-data")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    for said in ("training", "evaluation", "test", "1 second copies", "mojibake", "tokens per text: median"):
        assert said in outcome.stdout
    assert outcome.stdout.rstrip().endswith("training would go ahead")


def test_data_that_makes_no_sense_is_shown_too_and_ends_with_1(run: Run, data: Path) -> None:
    outcome = run("train", "spam", "--data", data, "--map", "spam=ham", "--check-data")
    assert outcome.returncode == 1
    assert "all 121 texts have the label 'ham'; at least two are needed" in outcome.stderr
    assert "mojibake" in outcome.stdout
    assert outcome.stdout.rstrip().endswith("training would be refused")


def test_programs_get_json(run: Run, data: Path) -> None:
    outcome = run("train", "spam", "--data", data, "--check-data", "--json")
    seen = json.loads(outcome.stdout)
    assert seen["refusal"] is None
    assert seen["sets"]["training"]["labels"] == {"ham": 49, "spam": 48}
    assert seen["tokens"]["window"] == 128
    assert {one["name"]: one["number"] for one in seen["findings"]} == {"copies": 1, "mojibake": 1}


def test_json_without_a_check_is_refused(run: Run, data: Path) -> None:
    assert run("train", "spam", "--data", data, "--json").returncode == 2


def test_checking_leaves_nothing_behind(run: Run, data: Path, here: Path) -> None:
    assert run("train", "spam", "--data", data, "--check-data").returncode == 0
    assert sorted(path.name for path in here.iterdir()) == [data.name]


def test_an_output_that_cannot_be_written_is_known_before_anything_else(run: Run, data: Path) -> None:
    outcome = run("train", "spam", "--data", data, "--output", "https://127.0.0.1:9/models")
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr == (
        "https://127.0.0.1:9/models: a web server gives files and takes none; name a bucket or a folder\n"
    )
