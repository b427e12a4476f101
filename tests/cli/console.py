"""How the tests of the command line call it, and install plugins for it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

CLASSIFYD = Path(sys.executable).with_name("classifyd")

SHOUTING = """
from classifyd.api import Label, hookimpl

class Shouting:
    name = "shouting"
    def load(self, setup):
        return self
    def predict(self, records):
        return [[Label("loud" if r.text.isupper() else "calm", 1.0)] for r in records]

@hookimpl
def register_tasks():
    return [Shouting()]
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


def install(folder: Path, name: str, code: str) -> None:
    """Install a plugin of one module into a folder that is put on the path."""
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[classifyd]\n{name} = {name}\n")
    (folder / f"{name}.py").write_text(code)
