from pathlib import Path

import pytest


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in2").mkdir()
    return tmp_path / "config.toml"
