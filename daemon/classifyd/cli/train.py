"""`classifyd train`: labelled data to a model."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classifyd.cli import recipe
from classifyd.cli.options import ConfigOption, JsonOption, load_settings

if TYPE_CHECKING:
    from classifyd.config import Config
    from classifyd.plugins import Registry
    from classifyd.training import TrainOptions
    from classifyd.values import Example

DEFAULT_BASE = "sentence-transformers/all-MiniLM-L6-v2"
DATA_HELP = (
    "Labelled data: csv, tsv, json, jsonl, parquet (compressed or not), CoNLL columns, or a folder per label; paths, "
    "patterns or URLs (s3://, gs://, https://); repeatable."
)

DEFAULT_SEED = 42


def train(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task to train, as in the configuration.")],
    data: Annotated[list[str], typer.Option(metavar="P", help=DATA_HELP)],
    eval_data: Annotated[list[str] | None, typer.Option(metavar="P", help="Data to choose the epoch by.")] = None,
    test_data: Annotated[list[str] | None, typer.Option(metavar="P", help="Data to measure the result on.")] = None,
    base_model: Annotated[
        str | None, recipe.option("M", f"Encoder to start from: folder or hub id. {DEFAULT_BASE}")
    ] = None,
    epochs: Annotated[int | None, recipe.option("N", "Passes over the data. 3")] = None,
    learning_rate: Annotated[float | None, recipe.option("X", "Highest learning rate. 5e-5")] = None,
    batch_size: Annotated[int | None, recipe.option("N", "Texts at a time, on all devices together. 32")] = None,
    eval_batch_size: Annotated[int | None, recipe.option("N", "The same in evaluation. twice as many")] = None,
    gradient_accumulation: Annotated[int | None, recipe.option("N", "Batches per step. 1")] = None,
    gradient_checkpointing: Annotated[
        bool | None,
        recipe.switch("--gradient-checkpointing/--no-checkpointing", "Calculate twice to need less memory. no"),
    ] = None,
    max_length: Annotated[int | None, recipe.option("N", "Tokens per window. 128")] = None,
    stride: Annotated[int | None, recipe.option("N", "Tokens that neighbouring windows share. 32")] = None,
    windows: Annotated[str | None, recipe.option("one|all", "Windows of a long text in each epoch. one")] = None,
    capitals: Annotated[
        bool | None,
        recipe.switch(
            "--capitals/--no-capitals",
            "Tell the model which words are written with capitals, if its tokenizer does not. no",
        ),
    ] = None,
    freeze: Annotated[
        str | None,
        recipe.option("none|all|N", "Leave all layers, or the lowest N with the embeddings, as they are. none"),
    ] = None,
    precision: Annotated[
        str | None, recipe.option("auto|bf16|…", "What to calculate in: fp32, bf16, fp16, or what suits. auto")
    ] = None,
    weight_decay: Annotated[float | None, recipe.option("X", "Pull of weights towards 0. 0.01")] = None,
    warmup: Annotated[float | None, recipe.option("X", "Share of steps in which the learning rate rises. 0.06")] = None,
    label_smoothing: Annotated[float | None, recipe.option("X", "Share of certainty taken from each label. 0")] = None,
    class_weights: Annotated[
        str | None, recipe.option("auto|none|…", "Whether rare labels count for more: auto, none or balanced. auto")
    ] = None,
    early_stopping: Annotated[
        int | None, recipe.option("N", "Stop after N epochs without a better one; 0: never. 0")
    ] = None,
    promise: Annotated[
        list[str] | None,
        typer.Option(
            metavar='"L F X"',
            help='What a label\'s unreviewed answers keep, "spam precision 0.99" or "spam recall 0.95"; repeatable.',
        ),
    ] = None,
    promise_confidence: Annotated[
        float | None,
        typer.Option(metavar="X", help="How surely. [dim]default: 0, as kept on the evaluation set[/dim]"),
    ] = None,
    review_below: Annotated[
        float | None, recipe.option("X", "Score below which an answer of the model is for review. 0.8")
    ] = None,
    quantize: Annotated[
        str | None, typer.Option(metavar="int8|none", help="How to store the model. [dim]default: int8[/dim]")
    ] = None,
    no_texts: Annotated[bool, typer.Option("--no-texts", help="Leave texts of the data out of the report.")] = False,
    average: Annotated[
        int | None, recipe.option("N", "Average the last 2 or 3 epochs, if that is better; 0: no. 0")
    ] = None,
    calibration_texts: Annotated[
        int | None, recipe.option("N", "Training texts that fix the scales of the eight bits. 256")
    ] = None,
    seed: Annotated[int | None, recipe.option("N", "Fixes the split, the order and the new layers. 42")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Take up the last checkpoint that is whole.")] = False,
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
        str | None, typer.Option(metavar="DIR|URL", help="The folder of models; else that of the configuration.")
    ] = None,
    folder: Annotated[
        str | None, typer.Option(metavar="DIR|URL", help="Checkpoints and TensorBoard events; else runs/TASK.")
    ] = None,
    corrections: Annotated[
        bool, typer.Option("--corrections", help="Learn from what people corrected, too; never measure with it.")
    ] = False,
    check_data: Annotated[
        bool, typer.Option("--check-data", help="Only tell what the data is like, and whether it can be trained on.")
    ] = False,
    json: JsonOption = False,
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
    from classifyd.errors import UsageError
    from classifyd.training import Columns, TrainOptions, train_to_url, urls
    from classifyd.training import train as train_task

    if json and not check_data:
        raise UsageError("--json goes with --check-data; a training tells its result in its report")
    settings = load_settings(config)
    registry = plugins.load(settings.plugins)
    asked = settings.task(task).train
    given = {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "eval_batch_size": eval_batch_size,
        "gradient_accumulation": gradient_accumulation,
        "gradient_checkpointing": gradient_checkpointing,
        "max_length": max_length,
        "stride": stride,
        "windows": windows,
        "capitals": capitals,
        "freeze": freeze,
        "precision": precision,
        "weight_decay": weight_decay,
        "warmup": warmup,
        "label_smoothing": label_smoothing,
        "class_weights": class_weights,
        "early_stopping": early_stopping,
        "average": average,
        "calibration_texts": calibration_texts,
        "examples": recipe.lines(examples),
        "promises": tuple(promise) if promise else None,
        "promise_confidence": promise_confidence,
        "review_below": review_below,
        "quantize": quantize,
        "texts": False if no_texts else None,
    }
    mirror = folder if folder and urls.is_url(folder) else ""
    options = TrainOptions(
        data=tuple(data),
        evaluation_data=tuple(eval_data or ()),
        test_data=tuple(test_data or ()),
        folder=Path(urls.as_path(folder)) if folder and not mirror else Path("runs") / task,
        mirror=mirror,
        base_model=base_model or asked.base_model or DEFAULT_BASE,
        columns=Columns.of(text_column, label_column, map),
        evaluation_share=eval_share,
        test_share=test_share,
        recipe=recipe.merged(task, asked.recipe, given, registry.recipe_faults, settings.file),
        seed=_seed(seed, asked.seed),
        resume=resume,
        promote=promote,
        command=shlex.join(["classifyd", *sys.argv[1:]]),
        corrections=_corrected(settings, task) if corrections else (),
    )
    if check_data:
        _check(registry, task, options, json=json)
        return
    if output and urls.is_url(output):
        published = train_to_url(registry.task(task), options, output, registry.readers, _tell)
        if published is None:  # another process publishes
            return
        version, in_service = published.version, published.in_service
        report = urls.join(output, task, str(version), "report.md")
    else:
        store = Store(Path(urls.as_path(output)) if output else settings.models)
        bundle = train_task(registry.task(task), options, store, registry.readers, _tell)
        if bundle is None:
            return
        version, in_service = bundle.version, store.current(task) == bundle.version
        report = str(bundle.path / "report.md")
    service = "in service" if in_service else "not in service"
    _tell(f"{task}@{version} is published ({service}); its report: {report}")
    print(f"{task}@{version}")


def _seed(given: int | None, configured: int | None) -> int:
    """The seed, what was given first. UsageError if no generator of random numbers takes it."""
    from classifyd.config.settings import HIGHEST_SEED
    from classifyd.errors import UsageError

    if given is not None and not 0 <= given <= HIGHEST_SEED:
        raise UsageError(f"--seed must be a whole number from 0 to {HIGHEST_SEED}, not {given}")
    return next(value for value in (given, configured, DEFAULT_SEED) if value is not None)


def _check(registry: "Registry", task: str, options: "TrainOptions", *, json: bool) -> None:
    """Show what the data is like. TrainingError if it would be refused."""
    from classifyd.cli.screen import say_json
    from classifyd.cli.survey import show_survey
    from classifyd.errors import TrainingError
    from classifyd.training import prepare

    found = prepare(registry.task(task), options, registry.readers).survey
    if json:
        say_json(found.as_json())
    else:
        show_survey(found)
    if found.refusal:
        raise TrainingError(found.refusal)


def _corrected(settings: "Config", task: str) -> "tuple[Example, ...]":
    """What people said of texts, oldest first; it is told where that is nothing."""
    from classifyd.cli.corrections import kept
    from classifyd.training.corrections import SOURCE
    from classifyd.values import Example

    found = tuple(Example(one.text, one.label, one.spans, SOURCE) for one in kept(settings, task))
    if not found:
        _tell(f"corrections: there are none of {task} yet")
    return found


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
