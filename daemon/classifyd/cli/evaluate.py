"""`classifyd evaluate`: how good a model is on labelled data."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

from typing import Annotated

import typer

from classifyd.cli.options import ConfigOption, JsonOption, load_settings


def evaluate(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task whose model is tried.")],
    data: Annotated[list[str], typer.Option(metavar="P", help="Labelled data, as for train; repeatable.")],
    version: Annotated[int | None, typer.Option(metavar="V", help="Its version; else the one in service.")] = None,
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

    Example: [bold]classifyd evaluate spam --data test.csv[/bold]
    """
    from classifyd import plugins
    from classifyd.bundles import Store
    from classifyd.cli.screen import say_json, show, table
    from classifyd.errors import BundleError
    from classifyd.training import Columns
    from classifyd.training import evaluate as measure
    from classifyd.values import Setup

    registry = plugins.load()
    store = Store(load_settings(config).models)
    number = version or store.current(task)
    if number is None:
        raise BundleError(f"{task}: no model is in service in {store.path}; train one, or name a version")
    bundle = store.open(task, number)
    columns = Columns.of(text_column, label_column, map)
    setup = Setup(task, bundle=bundle, threads=threads)
    found = measure(registry.task(task), setup, data, columns, registry.readers)
    if json:
        say_json({source: one.as_json() for source, one in found.items()})
        return
    rows = [
        (source, label, f"{one.precision:.4f}", f"{one.recall:.4f}", f"{one.f1:.4f}", one.support)
        for source, figures in found.items()
        for label, one in figures.labels.items()
    ]
    lines = [
        f"{source}: {one.examples} texts, F1 {one.f1:.4f}"
        + ("" if one.accuracy is None else f", accuracy {one.accuracy:.4f}")
        for source, one in found.items()
    ]
    columns_shown = ("data", "label", "precision", "recall", "F1", "support")
    show(table(columns_shown, rows, right=columns_shown[2:]), f"{task}@{number}", *lines)
