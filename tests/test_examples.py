"""What a newcomer tries first works: the demo, from init to the table, with the shipped models."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "examples" / "demo.py"
MESSAGES = ROOT / "examples" / "messages"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path_factory.mktemp("demo") / "demo"
    command = [sys.executable, str(DEMO), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False), folder


def test_the_demo_answers_every_good_message(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    outcome, folder = demo
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    good = {path.name for path in MESSAGES.iterdir()} - {"ATTRIBUTION.md", "half.jsonl.gz"}
    assert good == {path.name.removesuffix(".jsonl") for path in folder.glob("labelled/*/[!.]*")}


def test_the_demo_shows_what_was_quarantined_and_why(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    outcome, folder = demo
    assert "half.jsonl.gz" in outcome.stdout.partition("Quarantined")[2]
    assert [path.name for path in folder.rglob("*.reason.json")] == ["half.jsonl.gz.reason.json"]


def test_the_demo_fails_when_a_message_is_not_answered_as_it_should_be(tmp_path: Path) -> None:
    shutil.copy(DEMO, tmp_path)
    (tmp_path / "messages").mkdir()
    (tmp_path / "messages" / "bad.json").write_text("{")
    command = [sys.executable, str(tmp_path / DEMO.name), str(tmp_path / "demo")]
    # The other demo has measured the runtimes.
    runtimes = {f"CLASSIFYD_TASKS__{task}__RUNTIME": "onnxruntime" for task in ("SPAM", "TOPIC", "NER")}
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | runtimes)
    assert outcome.returncode == 1
    assert "bad.json was quarantined" in outcome.stderr
