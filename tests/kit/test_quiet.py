"""A model that runs tells nobody: ONNX Runtime's telemetry, which its builds for Linux have switched on, is off."""

import os
import subprocess
import sys
from pathlib import Path


def test_running_a_model_leaves_no_identifier_of_this_machine_and_no_queue_of_events(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "a.txt").write_text("hello")
    hidden = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "CLASSIFYD_CONFIG")
    environment = {name: value for name, value in os.environ.items() if name not in hidden} | {"HOME": str(home)}
    command = [Path(sys.executable).with_name("classifyd"), "label", "--task", "spam", "a.txt"]
    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    assert '"model": "spam@' in said
    assert [path for path in home.rglob("*") if path.is_file()] == []
