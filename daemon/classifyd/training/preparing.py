"""Labelled data made ready for a training: read, cleaned, divided into sets, and surveyed."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from classifyd.api import MeasuringTask, Reader, Task
from classifyd.errors import TrainingError
from classifyd.training import checks, corrections, reading, sets, survey
from classifyd.training.options import TrainOptions
from classifyd.training.survey import Spread, Survey
from classifyd.values import Example, TrainingSets


@dataclass(frozen=True, slots=True)
class Prepared:
    """The sets, None where training makes no sense, what the data is like, and the corrections that are learnt from."""

    sets: TrainingSets | None
    survey: Survey
    corrections: tuple[Example, ...] = ()

    @property
    def ready(self) -> TrainingSets:
        """The sets. TrainingError, with the reason, where there are none."""
        if self.sets is None:
            raise TrainingError(self.survey.refusal)
        return self.sets


def prepare(task: Task, options: TrainOptions, known: Sequence[Reader]) -> Prepared:
    """The three sets (duplicates gone, near-duplicates on one side, labels checked) and what the data is like.

    TrainingError if the data cannot be read; data that can, but makes no sense to train on, is refused in the survey.
    """
    if not options.data:
        raise TrainingError("no data to train on; name some with --data")
    _refuse_shares(options)
    data = {"training": options.data, "evaluation": options.evaluation_data, "test": options.test_data}
    given = {name: reading.read(names, options.columns, known) for name, names in data.items() if names}
    checks.refuse_mixture(given)
    cleaned = sets.clean(given["training"])
    refusal, ready, lengths, joined = None, None, None, None
    try:
        checks.refuse(cleaned.examples)
        ready = _divide(cleaned.examples, given.get("evaluation", ()), given.get("test", ()), options)
        if options.corrections:
            joined = corrections.join(ready, options.corrections)
            ready = joined.sets
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
    learnt, told = (joined.learnt, joined.findings) if joined else ((), ())
    return Prepared(ready, Survey(counts, (*told, *found), lengths, refusal), learnt)


def _refuse_shares(options: TrainOptions) -> None:
    """TrainingError if the shares to be split off cannot be, or leave nothing to learn from."""
    asked = {
        "--eval-share": 0.0 if options.evaluation_data else options.evaluation_share,
        "--test-share": 0.0 if options.test_data else options.test_share,
    }
    if not (all(share >= 0 for share in asked.values()) and sum(asked.values()) < 1):
        said = " and ".join(f"{name} {share:g}" for name, share in asked.items())
        raise TrainingError(f"{said}: a share must be 0 or more, and the two together below 1; the rest is learnt from")


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
    return survey.spread(task.measure(texts, options.setup(task.name)))


def digest(ready: TrainingSets) -> str:
    """sha256 of everything that is learnt from or measured with, split and order included."""
    whole = hashlib.sha256()
    for examples in (ready.train, ready.evaluation, ready.test):
        for example in examples:
            spans = [(span.start, span.end, span.label) for span in example.spans or ()]
            whole.update(json.dumps([example.text, example.label, spans]).encode())
        whole.update(b"\n")
    return whole.hexdigest()
