"""`classifyd models` lists, verifies, promotes and rolls back what a store holds."""

import json
from pathlib import Path

import pytest
from console import Run

from classifyd.bundles import Store
from classifyd.values import TrainedModel


@pytest.fixture
def store(here: Path, tmp_path: Path) -> Store:
    """Two versions of a model for `spam` beside the place where commands run, the second in service."""
    weights = tmp_path / "weights"
    weights.write_bytes(b"weights")
    manifest = {
        "kind": "sequence",
        "labels": ["ham", "spam"],
        "max_length": 128,
        "stride": 16,
        "temperature": 1.0,
        "thresholds": {"review": 0.8},
        "metrics": {"f1": 0.971234, "labels": {"ham": {"precision": 0.97, "recall": 1.0}}},
        "base_model": "tiny",
        "base_sha256": "0" * 64,
        "data_sha256": "0" * 64,
        "seed": 1,
        "options": {},
        "libraries": {},
        "examples": [{"text": "x", "labels": {"ham": 1.0, "spam": 0.0}}],
    }
    made = Store(here / "models")
    files = {"model.onnx": weights, "tokenizer.json": weights}
    for _ in range(2):
        made.publish("spam", TrainedModel(files, manifest, "# report"), {})
    made.promote("spam", 2)
    return made


def test_list_marks_the_version_in_service(run: Run, store: Store) -> None:
    listed = json.loads(run("models", "list", "--json").stdout)
    assert [(row["task"], row["version"], row["in_service"]) for row in listed] == [
        ("spam", 1, False),
        ("spam", 2, True),
    ]
    assert "f1 0.9712" in run("models", "list").stdout


def test_show_prints_the_manifest(run: Run, store: Store) -> None:
    shown = run("models", "show", "spam")
    assert "labels: ham, spam" in shown.stdout
    assert "metrics: f1 0.9712\n  labels:\n    ham: precision 0.97, recall 1\n" in shown.stdout
    assert ": \n" not in shown.stdout, "what is empty is left out"
    assert json.loads(run("models", "show", "spam", "--version", "1", "--json").stdout)["version"] == 1
    outcome = run("models", "show", "spam", "--version", "7")
    assert outcome.returncode == 78
    assert "Known: 1, 2." in outcome.stderr


def test_verify_names_the_file_and_the_digest_that_differ(run: Run, store: Store) -> None:
    assert run("models", "verify").stdout == "spam@1: whole\nspam@2: whole\n"
    (store.folder("spam", 2) / "model.onnx").write_bytes(b"altered")
    outcome = run("models", "verify", "spam")
    assert outcome.returncode == 1
    assert outcome.stdout == "spam@1: whole\n"
    assert "model.onnx" in outcome.stderr
    assert "sha256" in outcome.stderr


def test_rollback_and_promote_change_what_serves(run: Run, store: Store) -> None:
    assert run("models", "rollback", "spam").returncode == 0
    assert store.current("spam") == 1
    assert run("models", "rollback", "spam").returncode == 2
    assert run("models", "promote", "spam").stdout == "spam@2 is in service\n"
    assert store.current("spam") == 2


def test_an_unknown_task_is_told_with_those_there_are(run: Run, store: Store) -> None:
    outcome = run("models", "promote", "spma")
    assert outcome.returncode == 78
    assert "Known: spam." in outcome.stderr


def test_list_marks_the_version_that_a_rollback_goes_to(run: Run, store: Store) -> None:
    listed = json.loads(run("models", "list", "--json").stdout)
    assert [row["before"] for row in listed] == [True, False]
    assert "before" in run("models", "list").stdout.splitlines()[2]


def test_prune_shows_what_goes_and_removes_it_unless_it_is_a_dry_run(run: Run, store: Store, tmp_path: Path) -> None:
    bundle = store.open("spam", 2)
    model = TrainedModel({name: bundle.path / name for name in ("model.onnx", "tokenizer.json")}, bundle.manifest, "x")
    for _ in range(2):
        store.publish("spam", model, {})
    store.promote("spam", 4)
    shown = run("models", "prune", "--keep", "1", "--dry-run")
    assert shown.stdout.splitlines()[0].startswith("spam@1: ")
    assert shown.stdout.splitlines()[-1].startswith("2 versions would go, ")
    assert store.versions("spam") == (1, 2, 3, 4)
    assert "2 versions removed, " in run("models", "prune", "spam", "--keep", "1").stdout
    assert store.versions("spam") == (2, 4), "2 served before"
    assert run("models", "prune", "--keep", "1").stdout == "0 versions removed, 0.0 MiB\n"


def test_prune_without_a_number_to_keep_or_with_none_is_refused(run: Run, store: Store) -> None:
    assert run("models", "prune").returncode == 2
    assert run("models", "prune", "--keep", "0").returncode == 2
    assert store.versions("spam") == (1, 2)


def test_prune_removes_nothing_while_the_ledger_cannot_be_read(run: Run, store: Store, here: Path) -> None:
    store.publish("spam", TrainedModel({}, store.open("spam", 2).manifest, "x"), {})
    store.promote("spam", 3)
    (here / "state").mkdir()
    (here / "state" / "ledger.sqlite").write_bytes(b"no database at all" * 100)
    outcome = run("models", "prune", "--keep", "1")
    assert outcome.returncode == 1
    assert "ledger.sqlite" in outcome.stderr
    assert store.versions("spam") == (1, 2, 3)


def test_a_version_is_exported_and_imported_elsewhere_without_serving_there(run: Run, store: Store, here: Path) -> None:
    exported = run("models", "export", "spam", "--version", "1")
    assert exported.stdout.startswith("spam@1: spam-1.tar, ")
    (here / "elsewhere").mkdir()
    (here / "elsewhere" / "config.toml").write_text('[[inbox]]\nname = "a"\npath = "in"\ntasks = ["spam"]\n')
    imported = run("models", "import", "spam-1.tar", "--config", "elsewhere/config.toml")
    assert imported.stdout == "spam@1 is there; to use it: classifyd models promote spam 1\n"
    there = Store(here / "elsewhere" / "models")
    assert there.open("spam", 1).digest == store.open("spam", 1).digest
    assert there.current("spam") is None


def test_an_export_overwrites_nothing_and_an_import_needs_a_file(run: Run, store: Store, here: Path) -> None:
    (here / "spam-2.tar").write_text("mine")
    assert run("models", "export", "spam").returncode == 2
    assert (here / "spam-2.tar").read_text() == "mine"
    outcome = run("models", "import", "nothing.tar")
    assert (outcome.returncode, "nothing.tar: No such file" in outcome.stderr) == (2, True)
    damaged = run("models", "import", "spam-2.tar")
    assert (damaged.returncode, "Traceback" in damaged.stderr) == (78, False)
