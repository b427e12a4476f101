"""Real `classifyd train` processes that are killed, run out of disk, or work together."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import tiny

from classifyd.bundles import Store

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(900)]

CLASSIFYD = Path(sys.executable).with_name("classifyd")
PATIENCE = 600
EPOCHS = 6
STEPS_PER_EPOCH = 11
Write = Callable[[str, Iterable[dict[str, object]]], Path]


class Training:
    """A command that trains into folders of its own below `place`, where version 1 is in service already."""

    def __init__(self, place: Path, data: Path, base: Path) -> None:
        self.checkpoints = place / "run" / "checkpoints"
        self.store = Store(place / "models")
        self._place = place
        tiny.make_bundle(self.store, "spam", ["ham", "spam"])
        self.command = [
            *(CLASSIFYD, "train", "spam", "--data", data, "--base-model", base),
            *("--folder", place / "run", "--output", place / "models"),
            *("--epochs", EPOCHS, "--learning-rate", 5e-3, "--batch-size", 16, "--max-length", 32),
            *("--precision", "fp32", "--eval-share", 0.05, "--test-share", 0.05),
        ]

    def start(self, *more: str, before: Iterable[object] = ()) -> subprocess.Popen[str]:
        words = [*map(str, before), *map(str, self.command), *more]
        # Threads that wait for one another on a busy machine take longer than one. Coverage is not measured here: it
        # would want to write where the disk is full.
        environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        environ["OMP_NUM_THREADS"] = "1"
        pipe = subprocess.PIPE
        return subprocess.Popen(
            words, cwd=self._place, env=environ, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )

    def finish(self, *more: str, before: Iterable[object] = ()) -> subprocess.CompletedProcess[str]:
        process = self.start(*more, before=before)
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            pytest.fail(f"not done after {PATIENCE} s: {process.communicate()}")
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def wait_for_a_checkpoint(self, process: subprocess.Popen[str]) -> None:
        while not list(self.checkpoints.glob("checkpoint-*/whole.json")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.002)

    @property
    def steps(self) -> list[int]:
        return sorted(int(path.parent.name.partition("-")[2]) for path in self.checkpoints.glob("*/whole.json"))

    def learnt(self, version: int) -> tuple[object, object]:
        """How far a version was trained, and what came of it."""
        manifest = json.loads((self.store.path / "spam" / str(version) / "manifest.json").read_text())
        return manifest["training"]["steps"], manifest["files"]["model.onnx"]


@pytest.fixture
def training(tmp_path: Path, base_model: Path, write_jsonl: Write, spam_rows: list[dict[str, object]]) -> Training:
    return Training(tmp_path / "one", write_jsonl("spam.jsonl", spam_rows), base_model)


def test_a_training_that_was_killed_ends_as_if_it_had_not_been(
    training: Training, tmp_path: Path, base_model: Path
) -> None:
    process = training.start()
    training.wait_for_a_checkpoint(process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert training.steps[-1] < EPOCHS * STEPS_PER_EPOCH
    assert training.store.versions("spam") == (1,)
    outcome = training.finish("--resume")
    assert outcome.returncode == 0, outcome.stderr
    assert "resuming after checkpoint-" in outcome.stderr
    undisturbed = Training(tmp_path / "two", tmp_path / "spam.jsonl", base_model)
    assert undisturbed.finish().returncode == 0
    assert training.learnt(2)[0] == EPOCHS * STEPS_PER_EPOCH
    # The same order, the same chance: the same model, bit for bit.
    assert training.learnt(2) == undisturbed.learnt(2)


def test_a_disk_that_is_full_ends_the_training_and_the_checkpoint_before_serves(training: Training) -> None:
    process = training.start()
    training.wait_for_a_checkpoint(process)
    unlimited = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (50_000, unlimited[1]))
    _, err = process.communicate()
    assert process.returncode == 1
    assert "the checkpoint cannot be written" in err
    assert "go on from it with the same command and --resume" in err
    assert "Traceback" not in err
    assert (training.store.versions("spam"), training.store.current("spam")) == ((1,), 1)
    (last,) = training.checkpoints.glob(f"checkpoint-{training.steps[-1]}")
    assert last == max(training.checkpoints.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]))
    outcome = training.finish("--resume")
    assert outcome.returncode == 0, outcome.stderr
    assert f"resuming after {last.name}" in outcome.stderr
    assert training.learnt(2)[0] == EPOCHS * STEPS_PER_EPOCH


def test_two_processes_train_together_and_one_of_them_publishes(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2)
    outcome = training.finish(before=torchrun)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == "spam@2\n"
    assert training.store.versions("spam") == (1, 2)
    assert outcome.stderr.count('"event": "evaluated"') == EPOCHS
    manifest = json.loads((training.store.path / "spam" / "2" / "manifest.json").read_text())
    assert manifest["training"]["processes"] == 2
    # A batch is shared between the two: there are as many steps as one process would take.
    assert manifest["training"]["steps"] == EPOCHS * STEPS_PER_EPOCH


def test_a_recipe_that_cannot_be_followed_is_refused_before_any_data_are_read(training: Training) -> None:
    training.command[training.command.index("--data") + 1] = "there-is-no-such-file.csv"
    outcome = training.finish("--stride", "99", "--class-weights", "heavy")
    assert outcome.returncode == 2
    assert "--class-weights must be one of auto, none, balanced, not 'heavy'" in outcome.stderr
    assert "--stride must be at most half of max_length, which is 16, not 99" in outcome.stderr
    assert "there-is-no-such-file" not in outcome.stderr


def test_the_command_line_wins_over_the_configuration(training: Training, tmp_path: Path) -> None:
    config = tmp_path / "one" / "config.toml"
    (tmp_path / "one" / "in").mkdir()
    config.write_text(
        '[[inbox]]\nname = "mail"\npath = "in"\ntasks = ["spam"]\n'
        "[tasks.spam.train]\nepochs = 100\nweight_decay = 0.5\nseed = 9\n"
    )
    training.command[training.command.index("--epochs") + 1] = 1
    outcome = training.finish()
    assert outcome.returncode == 0, outcome.stderr
    manifest = json.loads((training.store.path / "spam" / "2" / "manifest.json").read_text())
    assert (manifest["options"]["epochs"], manifest["options"]["weight_decay"], manifest["seed"]) == (1, 0.5, 9)
    config.write_text(config.read_text().replace("epochs = 100", "epochs = 0"))
    refused = training.finish()
    assert refused.returncode == 78
    assert "[tasks.spam.train] epochs must be a whole number, 1 or more, not 0" in refused.stderr
