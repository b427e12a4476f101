"""`classifyd pause` and `classifyd resume`: whether anything of an inbox is begun."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

from typing import TYPE_CHECKING, Annotated

import typer

from classifyd.cli.options import ConfigOption, load_settings

if TYPE_CHECKING:
    from classifyd.config import Config

Inboxes = Annotated[list[str], typer.Argument(metavar="INBOX", help="Names of inboxes.")]


def pause(inboxes: Inboxes, config: ConfigOption = None) -> None:
    """Take nothing more from an inbox, and begin nothing of it, until it is resumed.

    What workers have in hand is finished. A pause holds over restarts, and may be made while no daemon runs.

    Example: [bold]classifyd pause mail[/bold]
    """
    from classifyd.cli.options import whoami
    from classifyd.cli.screen import say
    from classifyd.inbox.notes import pauses

    settings = load_settings(config)
    _check(settings, inboxes)
    notes = pauses(settings.daemon.state)
    for inbox in inboxes:
        left = notes.leave(inbox, whoami())
        say(f"inbox {inbox}: {'paused' if left else 'was paused already'}; it goes on with: classifyd resume {inbox}")


def resume(inboxes: Inboxes, config: ConfigOption = None) -> None:
    """Go on with an inbox that was paused.

    Example: [bold]classifyd resume mail[/bold]
    """
    from classifyd.cli.screen import say
    from classifyd.inbox.notes import pauses

    settings = load_settings(config)
    notes = pauses(settings.daemon.state)
    _check(settings, [inbox for inbox in inboxes if inbox not in notes.all()])
    for inbox in inboxes:
        say(f"inbox {inbox}: {'goes on' if notes.remove(inbox) else 'was not paused'}")


def _check(settings: "Config", inboxes: list[str]) -> None:
    from classifyd.config import watched
    from classifyd.config.sentences import nearest
    from classifyd.errors import UsageError

    known = [inbox.name for inbox in watched(settings.inboxes, settings.daemon.state)]
    for inbox in inboxes:
        if inbox not in known:
            raise UsageError(f"there is no inbox {inbox!r}.{nearest(inbox, known)}")
