"""`classifyd plugins`: what the installed packages offer; for authors, a package to begin with and a test of it."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classifyd.cli.options import ConfigOption, JsonOption, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from classifyd.conformance import Finding, Request
    from classifyd.offers import Offer

app = typer.Typer(no_args_is_help=True, help="What the installed packages offer; begin and test one of your own.")


@app.callback()
def _group() -> None:
    """What the installed packages offer; begin and test one of your own."""


@app.command("list")
def list_plugins(json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the plugins with their packages, hooks, tasks, readers and writers; which failed to load, and why.

    Example: [bold]classifyd plugins list[/bold]
    """
    import dataclasses

    from classifyd import plugins
    from classifyd.cli.screen import complain, say_json, show, table
    from classifyd.trace import Trace

    offers = plugins.load(load_settings(config).plugins, trace=Trace.shown(os.environ)).offers
    if json:
        say_json([dataclasses.asdict(offer) for offer in offers.plugins])
        return
    columns = ("plugin", "package", "version", "tasks", "readers", "writers", "hooks")
    show(table(columns, (_row(offer) for offer in offers.plugins if not offer.problem and not offer.kept_out)))
    for offer in offers.kept_out:
        complain(f"{offer.name}: kept out, and not imported: {offer.kept_out} ({offer.distribution} {offer.version})")
    for offer in offers.plugins:
        if offer.problem:
            complain(f"{offer.name}: cannot be loaded: {offer.problem}")


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The task's name.", show_default=False)],
    bert: Annotated[bool, typer.Option("--bert", help="With a model that the BERT kit trains.")] = False,
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to; else ./classifyd-NAME.", show_default=False)
    ] = None,
) -> None:
    """Write the package of a plugin with one task: its code, a test, what builds it, and what to do next.

    Example: [bold]classifyd plugins new urgency[/bold]

    With a model: [bold]classifyd plugins new sentiment --bert[/bold]
    """
    from classifyd import scaffold
    from classifyd.cli.screen import complain, say
    from classifyd.errors import ClassifydError

    try:
        files = scaffold.create(name, folder, "kit" if bert else "rule")
    except OSError as error:
        raise ClassifydError(f"{error.filename}: {error.strerror}; nothing more was written") from error
    for file in files:
        say(str(file))
    complain(f"Now read {next(file for file in files if file.name == 'README.md')}")


@app.command("test")
def try_out(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in the list; or its package.", show_default=False)],
    sample: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="An input for its readers; repeatable.")
    ] = None,
    seconds: Annotated[float, typer.Option(metavar="X", help="The most that a check may take.", min=0.1)] = 120.0,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Try whether an installed plugin keeps its promises, in a process of its own; exit 1 if it breaks one.

    Example: [bold]classifyd plugins test shouting[/bold]
    """
    import dataclasses

    from classifyd import conformance
    from classifyd.cli.screen import say_json

    request = _request(name, tuple(sample or ()), config)
    findings = []
    with _told(json=json) as tell:
        for finding in conformance.examine(request, seconds):
            findings.append(finding)
            tell(finding)
    if json:
        say_json([dataclasses.asdict(finding) for finding in findings])
    raise typer.Exit(int(any(finding.verdict == "failed" for finding in findings)))


def _request(name: str, samples: tuple[Path, ...], config: Path | None) -> "Request":
    """What is to be tried. UsageError if no plugin goes by the name, or a sample is not there."""
    from importlib.metadata import entry_points

    from classifyd.cli.options import with_shipped_models
    from classifyd.config.sentences import nearest
    from classifyd.conformance import Request
    from classifyd.errors import UsageError
    from classifyd.plugins import GROUP

    points = [(point.name, point.dist.name if point.dist else "?") for point in entry_points(group=GROUP)]
    chosen = [point for point in points if point[0] == name] or [point for point in points if point[1] == name]
    if not chosen:
        raise UsageError(f"{name}: no such plugin is installed.{nearest(name, [point for point, _ in points])}")
    for path in samples:
        if not path.is_file():
            raise UsageError(f"--sample {path}: there is no such file")
    settings = with_shipped_models(load_settings(config))
    return Request(
        tuple(point for point, distribution in chosen if distribution == chosen[0][1]),
        chosen[0][1],
        settings.models,
        {task: dict(section.options) for task, section in settings.tasks.items()},
        samples,
        settings.daemon.load_seconds,
        settings.daemon.record_seconds,
        settings.daemon.worker_memory_bytes,
        settings.daemon.threads,
        settings.daemon.device,
    )


MARKS = {"passed": ("✓", "green"), "noted": ("!", "yellow"), "failed": ("✗", "red"), "skipped": ("·", "dim")}


@contextlib.contextmanager
def _told(*, json: bool) -> "Iterator[Callable[[Finding], None]]":
    """Tells of findings as they come, a line each, and sums up."""
    from collections import Counter

    from rich.text import Text

    from classifyd.cli.screen import line, show

    counts: Counter[str] = Counter()
    subjects = [""]

    def tell(finding: "Finding") -> None:
        counts[finding.verdict] += 1
        if finding.subject != subjects[-1]:
            subjects.append(finding.subject)
            show(Text(line(finding.subject), "bold"))
        mark, style = MARKS[finding.verdict]
        said = Text(line(finding.said), "" if finding.verdict == "passed" else style)
        show(Text.assemble("  ", (mark, style), f" {line(finding.check):<27} ", said))

    yield (lambda _: None) if json else tell
    if not json:
        show(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))


def _row(offer: "Offer") -> tuple[str, ...]:
    lists = (offer.tasks, offer.readers, offer.writers, offer.hooks)
    return (offer.name, offer.distribution, offer.version, *(", ".join(names) for names in lists))
