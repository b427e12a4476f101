"""`classifyd train`: labelled data to a model."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from classifyd.cli.options import ConfigOption, load_settings

DEFAULT_BASE = "sentence-transformers/all-MiniLM-L6-v2"
DATA_HELP = (
    "Labelled data: csv, tsv, json, jsonl (compressed or not), CoNLL columns, or a folder per label; repeatable."
)


def train(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task to train, as in the configuration.")],
    data: Annotated[list[str], typer.Option(metavar="P", help=DATA_HELP)],
    eval_data: Annotated[list[str] | None, typer.Option(metavar="P", help="Data to choose the epoch by.")] = None,
    test_data: Annotated[list[str] | None, typer.Option(metavar="P", help="Data to measure the result on.")] = None,
    base_model: Annotated[
        str, typer.Option(metavar="M", help="The encoder to start from: a local folder or a hub id.")
    ] = DEFAULT_BASE,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Passes over the data. [dim]default: 3[/dim]")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="X", help="Highest learning rate. [dim]default: 5e-5[/dim]")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", help="Texts per step. [dim]default: 32[/dim]")] = None,
    max_length: Annotated[
        int | None, typer.Option(metavar="N", help="Tokens per window. [dim]default: 128[/dim]")
    ] = None,
    freeze: Annotated[
        str | None,
        typer.Option(metavar="none|all|N", help="Leave all layers, or the lowest N with the embeddings, as they are."),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="auto|fp32|bf16|fp16", help="What to calculate in. [dim]default: auto[/dim]")
    ] = None,
    label_smoothing: Annotated[
        float | None, typer.Option(metavar="X", help="Share of certainty taken from each label. [dim]default: 0[/dim]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Take up the last checkpoint.")] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Fixes the split, the order and the new layers.")] = 42,
    text_column: Annotated[str | None, typer.Option(metavar="C", help="The text's column; else guessed.")] = None,
    label_column: Annotated[str | None, typer.Option(metavar="C", help="The label's column; else guessed.")] = None,
    map: Annotated[  # noqa: A002  # the option's name
        str | None, typer.Option(metavar="A=B,…", help="Labels of the data and what to call them: 0=ham,1=spam.")
    ] = None,
    eval_share: Annotated[float, typer.Option(metavar="X", help="Share split off for evaluation.")] = 0.1,
    test_share: Annotated[float, typer.Option(metavar="X", help="Share split off for the test.")] = 0.1,
    examples: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Texts, one a line, whose answers the bundle keeps.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder of models; else that of the configuration.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Checkpoints and TensorBoard events; else runs/TASK.")
    ] = None,
    promote: Annotated[
        bool | None,
        typer.Option("--promote/--no-promote", help="Put it in service, or not; else if it beats what serves."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Fine-tune a model on labelled data, measure it, and publish it as the task's next version.

    Example: [bold]classifyd train spam --data mine.csv --epochs 3[/bold]
    """
    from classifyd import plugins
    from classifyd.bundles import Store
    from classifyd.training import Columns, TrainOptions
    from classifyd.training import train as train_task

    recipe = {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "max_length": max_length,
        "freeze": freeze,
        "precision": precision,
        "label_smoothing": label_smoothing,
        "examples": _lines(examples),
    }
    options = TrainOptions(
        data=tuple(data),
        evaluation_data=tuple(eval_data or ()),
        test_data=tuple(test_data or ()),
        folder=folder or Path("runs") / task,
        base_model=base_model,
        columns=Columns.of(text_column, label_column, map),
        evaluation_share=eval_share,
        test_share=test_share,
        recipe={name: value for name, value in recipe.items() if value is not None},
        seed=seed,
        resume=resume,
        promote=promote,
        command=shlex.join(["classifyd", *sys.argv[1:]]),
    )
    registry = plugins.load()
    store = Store(output or load_settings(config).models)
    bundle = train_task(registry.task(task), options, store, registry.readers, _tell)
    service = "in service" if store.current(task) == bundle.version else "not in service"
    _tell(f"{task}@{bundle.version} is published ({service}); its report: {bundle.path / 'report.md'}")
    print(f"{task}@{bundle.version}")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _lines(path: Path | None) -> tuple[str, ...] | None:
    """The lines of a file that hold anything; None without a file."""
    if path is None:
        return None
    from classifyd.errors import UsageError

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--examples {path}: {error}") from error
    return tuple(line for line in text.splitlines() if line.strip())
