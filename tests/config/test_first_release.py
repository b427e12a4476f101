"""A configuration of the first release is taken by every later one, and means what it meant."""

import inspect
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pydantic

from classifyd import config
from classifyd.config import schema
from classifyd.values import Limits

FIRST = Path(__file__).with_name("data") / "config-0.1.toml"
OF_THE_MACHINE = {"output_owner", "output_group", "ca_file"}
"""Settings that name users and certificates, which a file in a repository cannot."""
LATER: set[str] = set()
"""Settings that later releases added."""


def taken(file: Path) -> config.Config:
    (file.parent / "secret").write_text("a secret of the operator's")
    shutil.copyfile(FIRST, file)
    return config.load(file, {"HOOK_SECRET": "another"})


def test_it_means_what_it_meant(file: Path) -> None:
    found, base = taken(file), file.parent
    [mail] = found.inboxes
    assert (base / "in", ("spam", "topic"), base / "out", str(base / "done/{spam}")) == (
        mail.path,
        mail.tasks,
        mail.output,
        mail.done,
    )
    assert (base / "bad", base / "review", base / "corrections") == (mail.quarantine, mail.review, mail.corrections)
    assert ("csv", True, False, "escape", True, "body", "high") == (
        mail.format,
        mail.recursive,
        mail.include_text,
        mail.csv_formulas,
        mail.hard_links,
        mail.text_field,
        mail.priority,
    )
    assert (2**30, 100, 0o640) == (mail.max_claimed_bytes, mail.max_claimed_files, mail.access.mode)
    assert Limits(2**30, 2**20, 2**31, 100, 3, 5) == mail.limits
    day = 86400.0
    assert (None, 7 * day, day / 2, 7 * day) == (
        mail.retention.done,
        mail.retention.outputs,
        mail.retention.quarantine,
        mail.retention.ledger,
    )
    daemon = found.daemon
    assert (4.0, 0.5, 3, 2**31, 2, 20.0, 60.0, 0.25, 2.0) == (
        daemon.scan_seconds,
        daemon.settle_seconds,
        daemon.workers,
        daemon.worker_memory_bytes,
        daemon.threads,
        daemon.drain_seconds,
        daemon.load_seconds,
        daemon.record_seconds,
        daemon.split_seconds,
    )
    assert (2**21, 32, 2**27, False, "warning", "json") == (
        daemon.job_bytes,
        daemon.job_files,
        daemon.min_free_bytes,
        daemon.events,
        daemon.log_level,
        daemon.log_format,
    )
    assert ["crm", "hook", "signed"] == [receiver.name for receiver in found.receivers]
    assert (0.5, False, 7) == (
        found.task("spam").review_below,
        found.task("spam").drift_warning,
        found.task("spam").train.seed,
    )
    assert found.http == config.HttpConfig(base / "token", ("127.0.0.1", 9465), hosts=("mail.example",))


def test_it_has_every_setting_but_those_that_came_later() -> None:
    sections = [kind for _, kind in inspect.getmembers(schema, inspect.isclass) if issubclass(kind, pydantic.BaseModel)]
    known = {name for kind in sections if kind.__module__ == schema.__name__ for name in kind.model_fields}
    assert known - OF_THE_MACHINE - LATER == set(_keys(tomllib.loads(FIRST.read_text()))) & known


def _keys(part: Mapping[str, Any]) -> Iterator[str]:
    for name, value in part.items():
        yield name
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from _keys(inner)
