"""`classifyd retry`: quarantined inputs go back into their inboxes."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

from typing import Annotated

import typer

from classifyd.cli.options import ConfigOption, load_settings


def retry(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="As in the reason files; else all.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Move quarantined inputs back into their inboxes, to be tried again. Nothing is overwritten.

    Example: [bold]classifyd retry a.eml[/bold]
    """
    from classifyd.cli.screen import complain, line, say
    from classifyd.config import watched
    from classifyd.inbox.moves import shown
    from classifyd.inbox.retrying import chosen, put_back, quarantined

    settings = load_settings(config)
    found = list(quarantined(watched(settings.inboxes, settings.daemon.state)))
    wanted = chosen(found, names or ())
    known = frozenset[str]().union(*(item.names for item in found))
    unknown = [name for name in names or () if name not in known]
    for name in unknown:
        complain(f"{name}: not in quarantine; see the .reason.json files there, or: classifyd status")
    failed = 0
    for item in wanted:
        try:
            place = put_back(item)
        except OSError as error:
            failed += 1
            complain(line(f"{shown(item.name)}: {error.strerror}: {error.filename}; left in quarantine"))
        else:
            say(f"{shown(item.name)}: back in inbox {item.inbox.name} as {shown(str(place))}")
    if not wanted and not unknown:
        say("nothing in quarantine")
    if failed or unknown:
        raise typer.Exit(1)
