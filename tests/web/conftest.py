import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from onlooker import Shown

from classifyd.config import Config, DaemonConfig, HttpConfig, InboxConfig
from classifyd.metrics import InboxLevel, Levels
from classifyd.web import Scene


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    (tmp_path / "in").mkdir()
    inbox = InboxConfig("mail", tmp_path / "in", ("spam",), tmp_path / "out", str(tmp_path / "done"), tmp_path / "bad")
    http = HttpConfig(tmp_path / "token", ("127.0.0.1", 9464), hosts=("mail.example",))
    config = Config(None, tmp_path / "models", DaemonConfig(tmp_path / "state"), (inbox,), http=http)
    levels = Levels(ready=True, inboxes={"mail": InboxLevel(2, 1, time.time() - 9)}, workers=2, serving={"spam": None})
    return Shown(config, Scene("running", time.monotonic(), time.time() - 60, levels=levels))


@pytest.fixture
def change(shown: Shown) -> Callable[..., None]:
    """Have the scene changed."""

    def apply(**changes: Any) -> None:
        shown.scene = replace(shown.scene, **changes)

    return apply
