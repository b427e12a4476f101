"""From labelled data to a published bundle: read, check, split, have the task train, publish."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from classifyd import __version__
from classifyd.api import MeasuringTask, Reader, Task, TrainableTask
from classifyd.bundles import Store
from classifyd.errors import TrainingError
from classifyd.training import checks, reading, sets, survey
from classifyd.training.columns import Columns
from classifyd.training.depot import Depot
from classifyd.training.mirror import Mirror
from classifyd.training.survey import Spread, Survey
from classifyd.values import EMPTY, Bundle, Example, TrainingSets, TrainSetup

KEPT = "checkpoints"
MARK = "data.sha256"
MIRRORED = (KEPT, "events", MARK)
"""What of a training's folder another machine needs to go on with it."""

GUESSED = Columns()


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What to train on and how. Data are paths, glob patterns or URLs; empty evaluation or test data are split off.

    `folder` takes checkpoints and TensorBoard events; `mirror` is a URL where they are copied as they are made, and
    where `resume` finds them, empty for none. `recipe` goes to the task as it is. `command` is what was typed,
    for the report. `promote`: True always puts the new version in service, None only if the task has none.
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
    mirror: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """The number of a bundle that is now behind a URL, and whether it is the one in service there."""

    version: int
    in_service: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """The sets, None where training makes no sense, and what the data is like."""

    sets: TrainingSets | None
    survey: Survey


def train(
    task: Task, options: TrainOptions, store: Store, known: Sequence[Reader], tell: Callable[[str], None]
) -> Bundle:
    """The bundle that was published; `tell` hears what happens on the way. TrainingError leaves the store untouched."""
    if not isinstance(task, TrainableTask):
        raise TrainingError(f"task {task.name!r} cannot be trained; its plugin offers no train()")
    mirror = Mirror(options.mirror, options.folder, MIRRORED, tell) if options.mirror else None
    if mirror:
        mirror.probe()
    prepared = prepare(task, options, known)
    for line in prepared.survey.lines():
        tell(line)
    ready = prepared.sets
    if ready is None:
        raise TrainingError(prepared.survey.refusal)
    data_sha256 = digest(ready)
    if mirror:
        _take_up(mirror, tell, resume=options.resume)
    _make_room(options.folder, data_sha256, resume=options.resume)
    setup = replace(_setup(task, options), saved=mirror.push if mirror else None)
    model = task.train(ready, setup)
    if mirror:
        mirror.push()
    whole = replace(model, report=_headed(task.name, model.report, options, prepared, data_sha256))
    bundle = store.publish(task.name, whole, {"data_sha256": data_sha256, "seed": options.seed})
    if options.promote or (options.promote is None and store.current(task.name) is None):
        store.promote(task.name, bundle.version)
    return bundle


def train_to_url(
    task: Task, options: TrainOptions, url: str, known: Sequence[Reader], tell: Callable[[str], None]
) -> Published:
    """As `train`, to a store of bundles behind a URL, which is known to take them before the training begins.

    TrainingError leaves what is in service there untouched, and names the folder of a bundle that did not get there.
    """
    depot = Depot(url)
    depot.probe()
    twin = depot.twin(task.name, options.folder)
    try:
        bundle = train(task, options, twin, known, tell)
        in_service = twin.current(task.name) == bundle.version
    except BaseException:
        shutil.rmtree(twin.path, ignore_errors=True)
        raise
    try:
        bundle = depot.publish(bundle, twin, in_service=in_service)
    except (TrainingError, OSError) as error:
        raise TrainingError(
            f"{error}\nThe training is done, and its bundle lies in {bundle.path}: mend the cause, then copy the "
            f"folder to {depot.url}/{task.name}/, or into a folder of models"
        ) from error
    shutil.rmtree(twin.path, ignore_errors=True)
    return Published(bundle.version, in_service=in_service)


def prepare(task: Task, options: TrainOptions, known: Sequence[Reader]) -> Prepared:
    """The three sets (duplicates gone, near-duplicates on one side, labels checked) and what the data is like.

    TrainingError if the data cannot be read; data that can, but makes no sense to train on, is refused in the survey.
    """
    if not options.data:
        raise TrainingError("no data to train on; name some with --data")
    data = {"training": options.data, "evaluation": options.evaluation_data, "test": options.test_data}
    given = {name: reading.read(names, options.columns, known) for name, names in data.items() if names}
    checks.refuse_mixture(given)
    cleaned = sets.clean(given["training"])
    refusal, ready, lengths = None, None, None
    try:
        checks.refuse(cleaned.examples)
        ready = _divide(cleaned.examples, given.get("evaluation", ()), given.get("test", ()), options)
        lengths = _lengths(task, options, ready)
    except TrainingError as error:
        refusal, ready = str(error), None
    shown = (
        {"training": ready.train, "evaluation": ready.evaluation, "test": ready.test}
        if ready
        else {**given, "training": cleaned.examples}
    )
    counts = tuple(survey.count(name, examples) for name, examples in shown.items())
    found = tuple(survey.findings(given, cleaned.examples))
    return Prepared(ready, Survey(counts, found, lengths, refusal))


def _divide(
    examples: Sequence[Example], evaluation: tuple[Example, ...], test: tuple[Example, ...], options: TrainOptions
) -> TrainingSets:
    """The three sets, each split off where none was given. TrainingError if they are unfit."""
    kept = sets.without_neighbours(examples, (*evaluation, *test)) if evaluation or test else tuple(examples)
    shares = (0.0 if evaluation else options.evaluation_share, 0.0 if test else options.test_share)
    parts = sets.split(kept, *shares, options.seed) if any(shares) else sets.Split(kept, (), ())
    ready = TrainingSets(parts.train, evaluation or parts.evaluation, test or parts.test, checks.labels_of(examples))
    checks.refuse(ready.train)
    checks.refuse_strangers(ready)
    if not ready.evaluation:
        raise TrainingError("no example is left for the evaluation set; add data, or name some with --eval-data")
    return ready


def _lengths(task: Task, options: TrainOptions, ready: TrainingSets) -> Spread | None:
    if not isinstance(task, MeasuringTask):
        return None
    texts = [example.text for part in (ready.train, ready.evaluation, ready.test) for example in part]
    return survey.spread(task.measure(texts, _setup(task, options)))


def _setup(task: Task, options: TrainOptions) -> TrainSetup:
    return TrainSetup(task.name, options.folder, options.base_model, options.recipe, options.seed, options.resume)


def _take_up(mirror: Mirror, tell: Callable[[str], None], *, resume: bool) -> None:
    """Have the checkpoints that lie behind the URL here, or out of the way."""
    if not resume:
        mirror.clear()
    elif mirror.pull():
        tell(f"took the checkpoints from {mirror.url}")
    else:
        tell(f"{mirror.url}: holds no checkpoint to take up")


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
    mark = folder / MARK
    if resume and mark.is_file() and mark.read_text().strip() != data_sha256:
        raise TrainingError(f"{folder}: its checkpoints come from other data; train anew, without --resume")
    if not resume and (folder / KEPT).is_dir():
        shutil.rmtree(folder / KEPT)
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(f"{data_sha256}\n")


def _headed(task: str, report: str, options: TrainOptions, prepared: Prepared, data_sha256: str) -> str:
    """The task's report under what this side knows: the command, the data, the split, the seed."""
    ready = prepared.sets
    assert ready is not None
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
