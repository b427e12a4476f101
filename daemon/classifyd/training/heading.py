"""What a report of a training says before the task's own part: the command, the data, the split, the seed."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from classifyd import __version__
from classifyd.training import page
from classifyd.training.options import TrainOptions
from classifyd.training.preparing import Prepared
from classifyd.values import Example, TrainedModel, TrainingSets

FEW_LABELS = 12


def headed(task: str, model: TrainedModel, options: TrainOptions, prepared: Prepared, data_sha256: str) -> TrainedModel:
    """The model with a whole report, also as one HTML page, which is written into the training's folder."""
    whole = replace(model, report=_report(task, model.report, options, prepared, data_sha256))
    path = options.folder / page.NAME
    plots = {name: file for name, file in whole.files.items() if name.endswith(".png")}
    path.write_text(page.of(task, whole.report, plots), encoding="utf-8")
    return replace(whole, files={**whole.files, page.NAME: path})


def _report(task: str, report: str, options: TrainOptions, prepared: Prepared, data_sha256: str) -> str:
    ready = prepared.ready
    labels = ", ".join(ready.labels) if len(ready.labels) <= FEW_LABELS else f"{len(ready.labels)} labels"
    rows = [
        ("Command", f"`{options.command}`"),
        ("Data", ", ".join(f"`{name}`" for name in (*options.data, *options.evaluation_data, *options.test_data))),
        ("Data digest", f"`{data_sha256}` (sha256 of the three sets)"),
        ("Seed", str(options.seed)),
        ("classifyd", __version__),
    ]
    return "\n".join(
        [
            f"# {task}: {labels}",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in rows),
            "",
            "## Data",
            "",
            *(f"- {note}" for note in prepared.survey.lines()),
            "",
            *_by_source(ready),
            "",
            report,
        ]
    )


def _by_source(ready: TrainingSets) -> Iterable[str]:
    """A table of texts by source and set."""
    yield "| source | training | evaluation | test |"
    yield "|---|--:|--:|--:|"
    parts = (ready.train, ready.evaluation, ready.test)
    for source in sorted({example.source for part in parts for example in part}):
        yield f"| {source} | " + " | ".join(f"{_count(part, source):,}" for part in parts) + " |"


def _count(examples: Sequence[Example], source: str) -> int:
    return sum(example.source == source for example in examples)
