"""`classifyd status`: what waits, what is in work, what is done."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from classifyd.cli.options import ConfigOption, JsonOption, load_settings
from classifyd.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from classifyd.config import Config
    from classifyd.progress import Progress
    from classifyd.status import InboxStatus, Status

COLUMNS = (
    *("inbox", "waiting", "claimed", "done", "quarantined", "records", "errors", "review"),
    *("inputs/h", "records/s"),
)
RATES = 2
"""The last columns, which a terminal of 80 has no room for."""
LEAST_WIDTH = 105
LARGE = ("inbox", "large input", "size", "done", "splits", "records", "records/s", "time left")


def status(
    config: ConfigOption = None,
    json: JsonOption = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Look again every second, until interrupted; with plot, labels, models and newest results."
        ),
    ] = False,
    page: Annotated[bool, typer.Option("--page", help="Print the link that opens the status page, unlocked.")] = False,
) -> None:
    """Show what waits, is claimed, done and quarantined, inbox by inbox, and how fast it goes.

    Of large inputs it shows how much is done, and the time left once a rate was measured.

    Example: [bold]classifyd status --config office/config.toml[/bold]
    """
    import time

    from classifyd import status as statuses
    from classifyd.cli.screen import say, say_json, show

    settings = load_settings(config)
    if watch and json:
        raise UsageError("--watch is for people and --json for programs; give one of them")
    if watch:
        _watch(settings)
        return
    now = time.time()
    found = statuses.look(settings, now)
    if page:
        say(_link(settings, found))
        return
    if json:
        say_json(_document(found))
        return
    show(*_page(found, now, _width()))


def _link(settings: "Config", found: "Status") -> str:
    """The page's address with the token behind the #, which no browser sends to anybody."""
    if not found.daemon.page or settings.http is None:
        raise UnavailableError("there is no status page: the daemon does not run, or its log says why it has none")
    file = settings.http.token_file
    try:
        token = file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise UnavailableError(f"{file}: {error.strerror}; run this as the daemon's user") from error
    return f"{found.daemon.page}#token={token}"


def _watch(settings: "Config") -> None:
    import time

    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from classifyd import status as statuses
    from classifyd.cli.screen import safe
    from classifyd.cli.watching import Watched

    console, watched = Console(highlight=False), Watched(settings)
    with Live(console=console, auto_refresh=False, screen=True) as live:
        while True:
            now = time.time()
            found = statuses.look(settings, now)
            watched.look(found)
            parts = (*_page(found, now, console.width), *watched.summary())
            above = Group(*(Text(safe(p)) if isinstance(p, str) else p for p in parts))
            room = console.height - len(console.render_lines(above))
            live.update(Group(above, *watched.results(room)), refresh=True)
            time.sleep(1)


def _nodes(found: "Status") -> Iterator[str]:
    for one in found.daemon.nodes:
        yield f"node {one.node}: {one.actors} actors, {one.jobs} jobs"


def _width() -> int:
    """The terminal's; what goes elsewhere is as wide as it needs to be."""
    import shutil
    import sys

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else LEAST_WIDTH


def _page(found: "Status", now: float, width: int) -> list[Any]:
    from classifyd.cli.remarks import asked_for, troubles
    from classifyd.cli.screen import table

    total = _total(found.inboxes)
    columns = COLUMNS if width >= LEAST_WIDTH else COLUMNS[:-RATES]
    rows = [_row(inbox)[: len(columns)] for inbox in (*found.inboxes, *([total] if len(found.inboxes) > 1 else ()))]
    counts = table(columns, rows, right=columns[1:])
    large = [_progress(one) for one in found.daemon.progress]
    inputs = ["", table(LARGE, large, right=LARGE[2:])] if large else []
    return [_headline(found, now), "", counts, *inputs, *_nodes(found), *asked_for(found), *troubles(found)]


def _headline(found: "Status", now: float) -> str:
    daemon = found.daemon
    if daemon.state == "stopped":
        return "The daemon is not running."
    words = "runs" if daemon.state == "running" else "is alive but has not been heard of for a while"
    minutes = (now - (daemon.started_at or now)) / 60
    models = ", ".join(f"{task}@{version}" for task, version in daemon.serving.items() if version is not None)
    serving = f" In service: {models}." if models else ""
    rate = f"{_rate(daemon.bytes_per_second)} a worker" if daemon.bytes_per_second else "no rate yet"
    who = f"The daemon {words}: process {daemon.pid}, {minutes:.0f} min"
    return f"{who}; {daemon.busy_workers} workers busy, {rate}.{serving}"


def _rate(bytes_per_second: float) -> str:
    """In MiB, or in KiB where there would be little of them."""
    mebibytes = bytes_per_second / 2**20
    return f"{mebibytes:.2f} MiB/s" if mebibytes >= 0.1 else f"{bytes_per_second / 2**10:.2f} KiB/s"


def _row(inbox: "InboxStatus") -> tuple[object, ...]:
    return (
        *(
            f"{inbox.name} (paused)" if inbox.paused else inbox.name,
            inbox.waiting,
            inbox.claimed,
            inbox.done,
            inbox.quarantined,
        ),
        *(inbox.records, inbox.errors, inbox.reviews, inbox.hour.inputs, f"{inbox.minute.records_per_second:.1f}"),
    )


def _progress(one: "Progress") -> tuple[object, ...]:
    from classifyd.cli.screen import line

    rate = f"{one.records_per_second:,.1f}" if one.records_per_second is not None else ""
    left = _time(one.seconds_left) if one.seconds_left is not None else ""
    done = {"cutting": "being cut", "assembling": "being assembled"}.get(one.stage, f"{100 * one.share:.0f} %")
    size, splits = f"{one.size / 2**20:,.1f} MiB", f"{one.splits_done} of {one.splits}" if one.splits else ""
    return one.inbox, line(one.file), size, done, splits, f"{one.records:,}", rate, left


def _time(seconds: float) -> str:
    """A time in the two greatest units that it has: 2 h 05 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _total(inboxes: "tuple[InboxStatus, ...]") -> "InboxStatus":
    from classifyd.status import Flow, InboxStatus

    counted = ("waiting", "claimed", "done", "quarantined", "records", "errors", "reviews")
    sums = {name: sum(getattr(inbox, name) for inbox in inboxes) for name in counted}
    minute = Flow(60.0, sum(i.minute.inputs for i in inboxes), sum(i.minute.records for i in inboxes))
    hour = Flow(3600.0, sum(i.hour.inputs for i in inboxes), sum(i.hour.records for i in inboxes))
    return InboxStatus("all", **sums, minute=minute, hour=hour)


def _document(found: "Status") -> dict[str, Any]:
    from dataclasses import asdict

    document = asdict(found)
    for inbox, row in zip(found.inboxes, document["inboxes"], strict=True):
        for name in ("minute", "hour"):
            row[name]["records_per_second"] = round(getattr(inbox, name).records_per_second, 3)
    return {"schema": "classifyd-status/1", **document}
