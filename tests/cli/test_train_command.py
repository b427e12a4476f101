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


@pytest.mark.parametrize("option", ["--output", "--folder"])
def test_a_folder_that_cannot_be_written_is_known_before_any_data_are_read(run: Run, here: Path, option: str) -> None:
    (here / "file").write_text("")
    outcome = run("train", "spam", "--data", "there-is-no-such-file.csv", option, "file/below")
    assert outcome.returncode == 1
    assert outcome.stderr.startswith(f"{option} file/below")
    assert outcome.stderr.endswith(": cannot be written to; mend that, or name another folder\n")
    assert [path.name for path in here.iterdir()] == ["file"]


@pytest.mark.parametrize("shares", [(1.5, 0.1), (-0.5, 0.1), ("nan", 0.1), (0.5, 0.5)])
def test_shares_that_leave_nothing_to_learn_from_are_refused(run: Run, data: Path, shares: tuple[object, ...]) -> None:
    outcome = run("train", "spam", "--data", data, "--eval-share", shares[0], "--test-share", shares[1], "--check-data")
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith(f"--eval-share {shares[0]} and --test-share {shares[1]}: a share must be")


def test_a_share_that_is_not_split_off_is_not_asked_about(run: Run, data: Path) -> None:
    given = run("train", "spam", "--data", data, "--eval-data", data, "--test-data", data, "--eval-share", 0.99)
    assert "share must be" not in given.stderr


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_no_generator_takes_is_refused(run: Run, data: Path, seed: int) -> None:
    outcome = run("train", "spam", "--data", data, "--seed", seed, "--check-data")
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert outcome.stderr == f"--seed must be a whole number from 0 to 4294967295, not {seed}\n"
