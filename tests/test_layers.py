"""The layers of docs/design.md hold, and the contract names every module that the design names."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def layers() -> list[str]:
    """The modules of the layers contract, top floor first."""
    return [name for line in CONTRACTS[0]["layers"] for name in re.findall(r"\w+", line)]


def modules_of_the_design() -> set[str]:
    """The first column of the table under "Layers" in docs/design.md."""
    section = (ROOT / "docs" / "design.md").read_text().split("## Layers", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    return {name.strip() for row in rows[1:] for name in row.split("|")[1].split(",")}


def lint_imports() -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_import_keeps_to_the_layers() -> None:
    outcome = lint_imports()
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_the_contract_has_every_module_that_the_design_names() -> None:
    assert modules_of_the_design() - set(layers()) == set()


def test_the_design_names_every_module_there_is() -> None:
    package = ROOT / "daemon" / "classifyd"
    found = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert found - {"__init__", "__main__"} - modules_of_the_design() == set()


@pytest.mark.parametrize("runtime", ["numpy", "onnxruntime", "openvino", "tokenizers", "torch", "transformers"])
def test_no_contract_lets_the_daemon_import_a_model_runtime(runtime: str) -> None:
    assert runtime in CONTRACTS[1]["forbidden_modules"]
    assert not CONTRACTS[1].get("ignore_imports")
