"""From labelled data to a published bundle: read, check, split, have the task train, publish."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from classifyd import __version__
from classifyd.api import Reader, Task, TrainableTask
from classifyd.bundles import Store
from classifyd.errors import TrainingError
from classifyd.training import checks, promotion, reading, sets
from classifyd.training.columns import Columns
from classifyd.values import EMPTY, Bundle, Example, TrainedModel, TrainingSets, TrainSetup

KEPT = "checkpoints"
GUESSED = Columns()


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What to train on and how. Data are paths or glob patterns; empty evaluation or test data are split off.

    `folder` takes checkpoints and TensorBoard events. `recipe` goes to the task as it is. `command` is what was typed,
    for the report. `promote`: True puts the new version in service, False does not, None does if it beats what serves.
    """

    data: tuple[str, ...]
    folder: Path
    base_model: str
    evaluation_data: tuple[str, ...] = ()
    test_data: tuple[str, ...] = ()
    columns: Columns = GUESSED
    evaluation_share: float = 0.1
    test_share: float = 0.1
    recipe: Mapping[str, Any] = EMPTY
    seed: int = 42
    resume: bool = False
    promote: bool | None = None
    command: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The sets, and what to say of them."""

    sets: TrainingSets
    notes: tuple[str, ...]


def train(
    task: Task, options: TrainOptions, store: Store, known: Sequence[Reader], tell: Callable[[str], None]
) -> Bundle:
    """The bundle that was published; `tell` hears what happens on the way. TrainingError leaves the store untouched."""
    if not isinstance(task, TrainableTask):
        raise TrainingError(f"task {task.name!r} cannot be trained; its plugin offers no train()")
    prepared = prepare(options, known)
    for note in prepared.notes:
        tell(note)
    data_sha256 = digest(prepared.sets)
    _make_room(options.folder, data_sha256, resume=options.resume)
    setup = TrainSetup(task.name, options.folder, options.base_model, options.recipe, options.seed, options.resume)
    model = task.train(prepared.sets, setup)
    whole = replace(model, report=_headed(task.name, model, options, prepared, data_sha256))
    bundle = store.publish(task.name, whole, {"data_sha256": data_sha256, "seed": options.seed})
    verdict = promotion.judge(task, store, bundle, prepared.sets.test, asked=options.promote)
    if verdict.promote:
        store.promote(task.name, bundle.version)
    tell(verdict.why)
    return bundle


def prepare(options: TrainOptions, known: Sequence[Reader]) -> Prepared:
    """The three sets: duplicates gone, near-duplicates on one side, labels checked. TrainingError if unfit."""
    if not options.data:
        raise TrainingError("no data to train on; name some with --data")
    evaluation = reading.read(options.evaluation_data, options.columns, known)
    test = reading.read(options.test_data, options.columns, known)
    cleaned = sets.clean(reading.read(options.data, options.columns, known))
    checks.refuse(cleaned.examples)
    kept = sets.without_neighbours(cleaned.examples, (*evaluation, *test)) if evaluation or test else cleaned.examples
    shares = (0.0 if evaluation else options.evaluation_share, 0.0 if test else options.test_share)
    parts = sets.split(kept, *shares, options.seed) if any(shares) else sets.Split(kept, (), ())
    ready = TrainingSets(
        parts.train, evaluation or parts.evaluation, test or parts.test, checks.labels_of(cleaned.examples)
    )
    checks.refuse(ready.train)
    checks.refuse_strangers(ready)
    if not ready.evaluation:
        raise TrainingError("no example is left for the evaluation set; add data, or name some with --eval-data")
    near = len(cleaned.examples) - len(kept)
    notes = [f"left out of training: {near:,} near-duplicates of held-out texts"] if near else []
    return Prepared(ready, (*checks.summary(cleaned, ready), *notes))


def digest(ready: TrainingSets) -> str:
    """sha256 of everything that is learnt from or measured with, split and order included."""
    whole = hashlib.sha256()
    for examples in (ready.train, ready.evaluation, ready.test):
        for example in examples:
            spans = [(span.start, span.end, span.label) for span in example.spans or ()]
            whole.update(json.dumps([example.text, example.label, spans]).encode())
        whole.update(b"\n")
    return whole.hexdigest()


def _make_room(folder: Path, data_sha256: str, *, resume: bool) -> None:
    """A folder for this training: emptied of the checkpoints of another one, unless they are to be taken up again."""
    mark = folder / "data.sha256"
    if resume and mark.is_file() and mark.read_text().strip() != data_sha256:
        raise TrainingError(f"{folder}: its checkpoints come from other data; train anew, without --resume")
    if not resume and (folder / KEPT).is_dir():
        shutil.rmtree(folder / KEPT)
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(f"{data_sha256}\n")


def _headed(task: str, model: TrainedModel, options: TrainOptions, prepared: Prepared, data_sha256: str) -> str:
    """The task's report under what this side knows: the command, the data, the split, the seed."""
    ready = prepared.sets
    rows = [
        ("Command", f"`{options.command}`"),
        ("Data", ", ".join(f"`{name}`" for name in (*options.data, *options.evaluation_data, *options.test_data))),
        ("Data digest", f"`{data_sha256}` (sha256 of the three sets)"),
        ("Seed", str(options.seed)),
        ("classifyd", __version__),
    ]
    return "\n".join(
        [
            f"# {task}: {', '.join(ready.labels)}",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in rows),
            "",
            "## Data",
            "",
            *(f"- {note}" for note in prepared.notes),
            "",
            *_by_source(ready),
            "",
            model.report,
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
