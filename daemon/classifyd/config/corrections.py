"""The inboxes of corrections: where a file that is put into `<task>/<label>/` says that this label is right."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

from classifyd.config.settings import Config, InboxConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionsInbox(InboxConfig):
    """The corrections of one inbox, watched like an inbox: files are claimed, read by a worker, and move on to done.

    What is published of them goes to the ledger; `output` only holds what is on its way there.
    """

    original: InboxConfig


def watched(inboxes: tuple[InboxConfig, ...], state: Path) -> tuple[InboxConfig, ...]:
    """Every inbox, and those of corrections."""
    originals = tuple(inbox for inbox in inboxes if not isinstance(inbox, CorrectionsInbox))
    return (*originals, *_corrections(originals, state))


def with_corrections(config: Config) -> Config:
    """The configuration as the daemon works by it: with the inboxes of corrections among the others."""
    return replace(config, inboxes=watched(config.inboxes, config.daemon.state))


def _corrections(inboxes: tuple[InboxConfig, ...], state: Path) -> Iterator[CorrectionsInbox]:
    for inbox in inboxes:
        if inbox.corrections is None:
            continue
        kept = {field.name: getattr(inbox, field.name) for field in fields(InboxConfig)}
        name = f"{inbox.name}/corrections"  # a name that no inbox of a file can have
        changed = {
            "name": name,
            "path": inbox.corrections,
            "tasks": (),
            "output": state / "corrections" / inbox.name,
            "format": "jsonl",
            "take": "move",
            "recursive": True,
            "include_text": True,
            "review": None,
            "corrections": None,
        }
        yield CorrectionsInbox(**{**kept, **changed}, original=inbox)
