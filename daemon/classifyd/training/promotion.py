"""Whether a newly trained version comes into service: if nobody said so, only if it beats the one that is there.

Both are measured as they serve, on the held-out test set of the new training. Where the data of the two overlap, the
one in service may have learnt from texts of that set: its figures then flatter it, and keep it in service too long.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from classifyd.api import Task
from classifyd.bundles import Store
from classifyd.config import cores
from classifyd.errors import BundleError
from classifyd.training import comparison, evaluation
from classifyd.training.comparison import Comparison
from classifyd.values import Bundle, Example, Setup


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to put a version in service, and why, in a sentence; `compared` if that has figures of the test set."""

    promote: bool
    why: str
    compared: bool = False


def judge(task: Task, store: Store, new: Bundle, test: Sequence[Example], *, asked: bool | None) -> Verdict:
    """The verdict on a version that was just published. `asked` is what the user said, None if nothing."""
    name = f"{new.task}@{new.version}"
    if asked is not None:
        return Verdict(asked, f"{name} is {'put in service' if asked else 'not put in service'}, as asked for")
    try:
        current = store.current(new.task)
        if current is None:
            return Verdict(promote=True, why=f"{name} is put in service: nothing served before")
        old = store.open(new.task, current)
    except BundleError as error:
        return _stays(new, f"what is in service cannot be compared with it: {error}")
    return _against(task, old, new, test)


def _against(task: Task, old: Bundle, new: Bundle, test: Sequence[Example]) -> Verdict:
    before = f"{old.task}@{old.version}"
    if set(old.manifest["labels"]) != set(new.manifest["labels"]):
        theirs, ours = (", ".join(sorted(bundle.manifest["labels"])) for bundle in (old, new))
        return _stays(new, f"it has other labels than {before}: {ours} against {theirs}")
    if not test:
        return _stays(new, f"there is no test set to compare it with {before} on")
    answers = []
    for bundle in (old, new):
        try:
            trial = evaluation.try_on(task, Setup(task.name, bundle=bundle, threads=cores()), test)
        except Exception as error:  # noqa: BLE001  # a task is foreign code: a bundle that it cannot use is not compared
            return _stays(new, f"{bundle.task}@{bundle.version} cannot be measured: {error}")
        answers.append(trial.answers)
    kind = "macro" if test[0].spans is None else "micro"
    return _compared(new, before, comparison.compare(answers[0], answers[1], test), kind)


def _compared(new: Bundle, before: str, found: Comparison, kind: str) -> Verdict:
    doubt = "which may be noise" if found.verdict == "level" else "more than noise"
    figures = (
        f"{kind} F1 {found.f1.after:.4f} against {found.f1.before:.4f} of {before}, on the same {found.examples:,} "
        f"test texts ({found.turned_right} turned right, {found.turned_wrong} wrong: {doubt})"
    )
    if found.f1.change > 0:
        why = f"{new.task}@{new.version} is put in service: {figures}"
        return Verdict(promote=True, why=why, compared=True)
    return replace(_stays(new, f"it is no better: {figures}"), compared=True)


def _stays(new: Bundle, why: str) -> Verdict:
    by_hand = f"classifyd models promote {new.task} {new.version}"
    return Verdict(promote=False, why=f"{new.task}@{new.version} is not put in service: {why}. To do so: {by_hand}")
