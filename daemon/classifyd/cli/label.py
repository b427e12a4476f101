"""`classifyd label`: label files here and now, without a daemon."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

from typing import Annotated

import typer

from classifyd.cli.options import ConfigOption, load_settings, with_shipped_models


def label(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Files, folders, - for standard input; for ray, URLs.", show_default=False),
    ],
    tasks: Annotated[
        list[str] | None,
        typer.Option("--task", "-t", metavar="TASK", help="What to decide, repeatable; else all that have a model."),
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="PATH", help="A file, a folder (one output each), or - (stdout).")
    ] = "-",
    format: Annotated[  # noqa: A002  # the word of the configuration
        str, typer.Option("--format", "-f", metavar="FORMAT", help="jsonl, csv, parquet, or same: tables in kind.")
    ] = "jsonl",
    csv_formulas: Annotated[
        str, typer.Option("--csv-formulas", metavar="HOW", help="keep, or escape: cells that a spreadsheet would run.")
    ] = "keep",
    engine: Annotated[
        str,
        typer.Option("--engine", metavar="ENGINE", help="local, or ray: a corpus on a cluster, as \\[workers] says."),
    ] = "local",
    config: ConfigOption = None,
) -> None:
    """Label files without a daemon; one JSON line per record on standard output. The files stay as they are.

    An answer that would take the place of an input is refused, and so is a folder of answers in one that is labelled.

    With --engine ray, files, folders and URLs are labelled on a cluster, and --output names a folder or a URL: a file
    for each input, and manifest.json. What was done before is skipped, so that a run that was broken off is repeated.

    Example: [bold]classifyd label --task spam mails/ > labels.jsonl[/bold]
    """
    from classifyd.cli.labelling import run
    from classifyd.cli.request import Request
    from classifyd.errors import UsageError

    if engine not in ("local", "ray"):
        raise UsageError(f"--engine {engine}: must be local or ray")
    request = Request(tuple(files), tuple(tasks or ()), output, format, csv_formulas)
    settings = with_shipped_models(load_settings(config))
    if engine == "local":
        raise typer.Exit(run(request, settings))
    from classifyd.cli.corpus import run_on_ray

    raise typer.Exit(run_on_ray(request, settings))
