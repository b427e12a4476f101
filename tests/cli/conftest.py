"""The real console command, with a plugin installed beside the built-in ones."""

import os
import subprocess
from pathlib import Path

import pytest
from console import CLASSIFYD, SHOUTING, Run, install


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """A folder on the path in which the plugin `shouting` is installed."""
    install(tmp_path / "plugins", "shouting", SHOUTING)
    return tmp_path / "plugins"


@pytest.fixture
def run(tmp_path: Path, plugins: Path) -> Run:
    """Runs the command in an empty folder, away from the checkout's configuration."""
    here = tmp_path / "here"
    here.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CLASSIFYD_")}

    def call(*arguments: object, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CLASSIFYD, *map(str, arguments)],
            cwd=here,
            env=clean | {"PYTHONPATH": str(plugins), "NO_COLOR": "1", **environ},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    return call


@pytest.fixture
def here(tmp_path: Path, run: Run) -> Path:
    """The folder in which commands run."""
    return tmp_path / "here"


@pytest.fixture
def office(here: Path) -> Path:
    """A configuration with one inbox that shouts."""
    folder = here / "office"
    (folder / "in").mkdir(parents=True)
    (folder / "config.toml").write_text(
        "[daemon]\nworkers = 1\nsettle_seconds = 0\n"
        '[[inbox]]\nname = "all"\npath = "in"\ntasks = ["shouting"]\noutput = "out"\n'
        'done = "done"\nquarantine = "bad"\n'
    )
    return folder
