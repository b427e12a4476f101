"""The config.toml that is shipped: right, and complete."""

import dataclasses
import re
from pathlib import Path

import pytest
from configs import OFFERS

from classifyd import config
from classifyd.config.schema import (
    DaemonSection,
    HttpSection,
    InboxSection,
    LimitsSection,
    ModelsSection,
    PluginsSection,
    ReceiverSection,
    RetentionSection,
    TaskSection,
    TrainSection,
)

ROOT = Path(__file__).parents[2]


def test_the_shipped_file_is_right(tmp_path: Path) -> None:
    found = config.load(ROOT / "config.toml", {}, OFFERS, check_folders=False)
    assert [inbox.name for inbox in found.inboxes] == ["mail", "messages", "tables"]
    assert found.inboxes[0].done == str(ROOT / "done/mail/{spam}")


def test_what_the_shipped_file_comments_out_are_the_defaults(tmp_path: Path) -> None:
    text = (ROOT / "config.toml").read_text()
    spelt = re.sub(r"^# (\[|[a-z_.]+ = )", r"\1", text, flags=re.MULTILINE)
    assert spelt.count("\n[") > text.count("\n[")
    for example in (
        'text_field = "text"',
        "review_below = 0.8",
        'review = "review/mail"',
        'corrections = "corrections/mail"',
        'output_mode = "0640"',
        'output_owner = "mail"',
        'output_group = "mail"',
        'secret_env = "HOOK_SECRET"',
        'allow = ["classifyd-shouting"]',
    ):
        assert example in spelt
        spelt = spelt.replace(example, "")
    (tmp_path / "config.toml").write_text(spelt)
    (tmp_path / "plain.toml").write_text(text)
    full = config.load(tmp_path / "config.toml", {}, check_folders=False)
    plain = config.load(tmp_path / "plain.toml", {}, check_folders=False)
    assert [receiver.name for receiver in full.receivers] == ["crm", "hook"]
    assert dataclasses.replace(full, file=None, tasks={}, receivers=()) == dataclasses.replace(plain, file=None)


@pytest.mark.parametrize(
    "section",
    [
        DaemonSection,
        HttpSection,
        InboxSection,
        LimitsSection,
        ModelsSection,
        PluginsSection,
        ReceiverSection,
        RetentionSection,
        TaskSection,
        TrainSection,
    ],
)
def test_every_setting_is_in_the_shipped_file(section: type) -> None:
    text = (ROOT / "config.toml").read_text()
    settings = set(section.model_fields) - {"limits", "retention", "train"}  # type: ignore[attr-defined]  # all are pydantic models
    assert {name for name in settings if not re.search(rf"^(# )?{name} = ", text, re.MULTILINE)} == set()
