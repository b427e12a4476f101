"""`classifyd evaluate`: how good a model is on labelled data, and whether another version is better."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classifyd.cli.options import ConfigOption, JsonOption, load_settings

if TYPE_CHECKING:
    from classifyd.training import Comparison, Evaluation
    from classifyd.training.evaluation import ForLabel

COLUMNS = ("data", "label", "precision", "recall", "F1", "support")


def evaluate(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task whose model is tried.")],
    data: Annotated[list[str], typer.Option(metavar="P", help="Labelled data, as for train; repeatable.")],
    version: Annotated[int | None, typer.Option(metavar="V", help="Its version; else the one in service.")] = None,
    compare: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="OLD NEW", help="Two versions: what changed, and whether it is more than noise."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write report.md, report.html and plots there, too.")
    ] = None,
    no_texts: Annotated[bool, typer.Option("--no-texts", help="Leave texts of the data out of the report.")] = False,
    text_column: Annotated[str | None, typer.Option(metavar="C", help="The text's column; else guessed.")] = None,
    label_column: Annotated[str | None, typer.Option(metavar="C", help="The label's column; else guessed.")] = None,
    map: Annotated[  # noqa: A002  # the option's name
        str | None, typer.Option(metavar="A=B,…", help="Labels of the data and what to call them: 0=ham,1=spam.")
    ] = None,
    threads: Annotated[int, typer.Option(metavar="N", help="Processor threads for the model.")] = 1,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Measure a model on labelled data, as it would serve: precision, recall and F1 of each label.

    Example: [bold]classifyd evaluate spam --data test.csv --report spam-report[/bold]

    Two versions: [bold]classifyd evaluate spam --data test.csv --compare 3 4[/bold]
    """
    from classifyd import plugins, training
    from classifyd.bundles import Store
    from classifyd.cli.screen import say_json
    from classifyd.errors import BundleError, UsageError
    from classifyd.pipeline.border import Border
    from classifyd.pipeline.choosing import Chooser
    from classifyd.service.choices import Choices
    from classifyd.service.tasks import spec
    from classifyd.training import Columns
    from classifyd.values import Setup

    if compare and (version or report):
        raise UsageError("--compare names two versions and makes no report; give it without --version and --report")
    settings = load_settings(config)
    registry = plugins.load(settings.plugins)
    store = Store(settings.models)
    versions = compare or (version or store.current(task),)
    if versions[0] is None:
        raise BundleError(f"{task}: no model is in service in {store.path}; train one, or name a version")
    offered = registry.task(task)
    chooser = Chooser(registry, Border(), settings.daemon.device, settings.daemon.threads)
    known = Choices(settings.daemon.state).known
    setups = [
        Setup(
            task,
            chooser.with_recalled(spec(task, number, store, settings), known).options,
            store.open(task, number),
            threads=threads,
        )
        for number in versions
        if number
    ]
    examples = training.labelled(data, Columns.of(text_column, label_column, map), registry.readers)
    first, *others = (training.try_on(offered, setup, examples) for setup in setups)
    if others:
        compared = training.compare(first.answers, others[0].answers, examples)
        names = first.model, others[0].model
        say_json({"before": names[0], "after": names[1], **compared.as_json()}) if json else _show(compared, *names)
        return
    found = training.by_source(first)
    say_json({source: one.as_json() for source, one in found.items()}) if json else _show_figures(found)
    if report:
        command = shlex.join(["classifyd", *sys.argv[1:]])
        _, page = training.write_report(offered, first, report, data, command, texts=not no_texts)
        print(f"report: {page}", file=sys.stderr)


def _show_figures(found: Mapping[str, "Evaluation"]) -> None:
    from classifyd.cli.screen import show, table

    rows = [
        (source, label, *_three(one), one.support)
        for source, figures in found.items()
        for label, one in figures.labels.items()
    ]
    lines = [
        f"{source}: {one.examples} texts, F1 {one.f1:.4f}"
        + ("" if one.accuracy is None else f", accuracy {one.accuracy:.4f}")
        + f", calibration error {one.calibration_error:.4f}"
        for source, one in found.items()
    ]
    show(table(COLUMNS, rows, right=COLUMNS[2:]), found["all"].model, *lines)


def _show(found: "Comparison", before: str, after: str) -> None:
    from classifyd.cli.screen import show, table

    sides = [
        (label, name, *(_three(one) if one else ("", "", "")), one.support if one else 0)
        for label, pair in found.labels.items()
        for name, one in zip((before, after), pair, strict=True)
    ]
    columns = ("label", "model", "precision", "recall", "F1", "support")
    figures = [("F1", found.f1), *((("accuracy", found.accuracy),) if found.accuracy else ())]
    show(
        table(columns, sides, right=columns[2:]),
        *(f"{name}: {difference}" for name, difference in figures),
        f"{found.turned_right:,} texts turned right, {found.turned_wrong:,} turned wrong.",
        found.sentence(before, after),
    )


def _three(one: "ForLabel") -> tuple[str, str, str]:
    return f"{one.precision:.4f}", f"{one.recall:.4f}", f"{one.f1:.4f}"
