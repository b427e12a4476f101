"""Corrections in a training: added to what is learnt from, never to what is measured with; and what they changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from classifyd.api import Task
from classifyd.config import cores
from classifyd.training import checks, comparison, evaluation, neighbours, sets
from classifyd.training.comparison import Comparison
from classifyd.training.survey import Finding
from classifyd.values import Bundle, Example, Setup, TrainingSets

SOURCE = "corrections"


@dataclass(frozen=True, slots=True)
class Joined:
    """Sets whose training texts have the corrections among them, which those are, and what there is to know of it."""

    sets: TrainingSets
    learnt: tuple[Example, ...]
    findings: tuple[Finding, ...]


def join(ready: TrainingSets, corrections: Sequence[Example]) -> Joined:
    """The evaluation and test sets as they were; a training text that was corrected gives way to its correction.

    Of several corrections of a text the last one counts. Left out are those that are near-duplicates of what is held
    out, and those that do not fit the data: of a label that it has not, or of the other kind.
    """
    newest = {neighbours.form(one.text): one for one in corrections if neighbours.form(one.text)}
    marks = ready.train[0].spans is not None
    fitting = [one for one in newest.values() if (one.spans is not None) == marks and _known(one, ready)]
    learnt = sets.without_neighbours(fitting, (*ready.evaluation, *ready.test))
    corrected = {neighbours.form(one.text) for one in learnt}
    kept = tuple(one for one in ready.train if neighbours.form(one.text) not in corrected)
    found = _findings(len(newest), len(fitting), len(learnt), len(ready.train) - len(kept))
    return Joined(replace(ready, train=(*kept, *learnt)), learnt, tuple(found))


def change(task: Task, old: Bundle, new: Bundle, learnt: Sequence[Example], test: Sequence[Example]) -> Iterator[str]:
    """Sentences on what a training with corrections changed: on them, and on the test set, against the version before.

    `test` is empty where that was told already. TrainingError if a bundle does not know the labels.
    """
    before = f"{old.task}@{old.version}"
    for what, examples in (("corrections, which it has learnt from", learnt), ("test set", test)):
        if not examples:
            continue
        answers = [
            evaluation.try_on(task, Setup(task.name, bundle=bundle, threads=cores()), examples).answers
            for bundle in (old, new)
        ]
        found = comparison.compare(answers[0], answers[1], examples)
        yield f"on the {len(examples):,} texts of the {what}: {_in_words(found, before)}"


def _known(one: Example, ready: TrainingSets) -> bool:
    return set(checks.labels_of([one])) <= set(ready.labels)


def _findings(total: int, fitting: int, learnt: int, replaced: int) -> Iterator[Finding]:
    in_place = f", {replaced:,} of them in place of texts of the data" if replaced else ""
    yield Finding("corrections", learnt, f"corrections: {learnt:,} are learnt from{in_place}", warning=False)
    if fitting > learnt:
        text = f"corrections: {fitting - learnt:,} left out, near-duplicates of evaluation or test texts"
        yield Finding("corrections_held_out", fitting - learnt, text, warning=False)
    if total > fitting:
        text = f"corrections: {total - fitting:,} left out, which do not fit: the data has no such label"
        yield Finding("corrections_unfit", total - fitting, text)


def _in_words(found: Comparison, before: str) -> str:
    name, figure = ("accuracy", found.accuracy) if found.accuracy is not None else ("F1", found.f1)
    turned = f"{found.turned_right:,} turned right, {found.turned_wrong:,} wrong"
    return f"{name} {figure.after:.4f}, {figure.before:.4f} of {before} ({turned})"
