"""`classifyd cancel`: an input in work goes to quarantine instead."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

from typing import TYPE_CHECKING, Annotated

import typer

from classifyd.cli.options import ConfigOption, load_settings

if TYPE_CHECKING:
    from classifyd.config import Config, InboxConfig
    from classifyd.ledger import Entry

WAIT_SECONDS = 30.0


def cancel(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INBOX/NAME", help="Inputs in work, by inbox and name below it.")
    ],
    config: ConfigOption = None,
) -> None:
    """Do nothing more of inputs in work: they go to quarantine, from where `classifyd retry` takes them up again.

    What was made of them is removed, and nothing of them is published. Where no daemon runs, the next one does it.

    Example: [bold]classifyd cancel tables/huge.csv[/bold]
    """
    from classifyd.cli.options import whoami
    from classifyd.cli.screen import complain, line, say
    from classifyd.inbox.notes import cancels

    settings = load_settings(config)
    notes = cancels(settings.daemon.state)
    asked: dict[str, str] = {}
    failed = False
    for name in inputs:
        found, why_not = _find(settings, name)
        if why_not:
            failed = True
            complain(line(f"{name}: {why_not}"))
        for entry in found:
            notes.leave(entry.claim.id, whoami())
            asked[entry.claim.id] = name
    for claim, name in asked.items():
        done, what = _outcome(settings, claim)
        failed |= not done
        (say if done else complain)(line(f"{name}: {what}"))
    if failed:
        raise typer.Exit(1)


def _find(settings: "Config", asked: str) -> "tuple[list[Entry], str]":
    """The inputs in work that are called so; if there are none, why."""
    from contextlib import closing

    from classifyd.inbox.moves import shown
    from classifyd.ledger import LedgerView

    inbox, name = _split(settings, asked)
    with closing(LedgerView(settings.daemon.state / "ledger.sqlite")) as ledger:
        entries = [one for one in ledger.open_entries() if one.claim.inbox == inbox.name]
    called = [one for one in entries if name in {shown(one.claim.name), one.claim.name}]
    found = [one for one in called if one.state == "claimed"]
    if found:
        return found, ""
    if called:
        return [], "is being published or quarantined; that is too late"
    if (inbox.path / name).is_file():
        return [], f"is not in work yet; take it out of {inbox.path}, or pause the inbox: classifyd pause {inbox.name}"
    return [], "is not in work; see: classifyd status"


def _split(settings: "Config", asked: str) -> "tuple[InboxConfig, str]":
    from classifyd.config import watched
    from classifyd.config.sentences import nearest
    from classifyd.errors import UsageError

    known = {inbox.name: inbox for inbox in watched(settings.inboxes, settings.daemon.state)}
    for name in sorted(known, key=len, reverse=True):
        if asked.startswith(f"{name}/"):
            return known[name], asked.removeprefix(f"{name}/")
    raise UsageError(f"{asked}: name an inbox and an input below it, as in mail/a.eml.{nearest(asked, list(known))}")


def _outcome(settings: "Config", claim: str) -> tuple[bool, str]:
    """What has become of an input, waited for as long as a daemon runs; and whether that is what was asked for."""
    import time
    from contextlib import closing

    from classifyd.inbox.quarantine import retry_command
    from classifyd.ledger import LedgerView
    from classifyd.status.heartbeat import read

    end = time.monotonic() + WAIT_SECONDS
    while True:
        with closing(LedgerView(settings.daemon.state / "ledger.sqlite")) as ledger:
            entry = ledger.entry(claim)
        state = "gone" if entry is None else entry.state
        if entry is not None and state == "quarantined":
            if any(one.name == entry.claim.inbox and one.take == "leave" for one in settings.inboxes):
                return True, "cancelled; it stays where it lies, and is left alone until it changes"
            return True, f"cancelled; it lies in quarantine, and is tried again by: {retry_command(entry.claim.name)}"
        if state in {"retired", "published", "intent"}:
            return False, "was done already"
        if state in {"gone", "vanished"}:
            return False, "was taken away"
        if read(settings.daemon.state, time.time()).state == "stopped":
            return True, "no daemon runs; the next one cancels it before anything more is done of it"
        if time.monotonic() > end:
            return True, "is cancelled as soon as a worker is through with what it has in hand of it"
        time.sleep(0.1)
