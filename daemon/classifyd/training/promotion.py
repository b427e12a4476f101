"""Whether a newly trained version comes into service: if nobody said so, only if it beats the one that is there.

Both are measured as they serve, on the held-out test set of the new training. Where the data of the two overlap, the
one in service may have learnt from texts of that set: its figures then flatter it, and keep it in service too long.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from classifyd.api import Task
from classifyd.bundles import Store
from classifyd.config import cores
from classifyd.errors import BundleError
from classifyd.training import evaluation
from classifyd.training.evaluation import Measured
from classifyd.values import Annotation, Bundle, Example, Setup


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to put a version in service, and why, in a sentence for people."""

    promote: bool
    why: str


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
    measured = []
    for bundle in (old, new):
        try:
            measured.append(evaluation.measure(task, Setup(task.name, bundle=bundle, threads=cores()), test))
        except Exception as error:  # noqa: BLE001  # a task is foreign code: a bundle that it cannot use is not compared
            return _stays(new, f"{bundle.task}@{bundle.version} cannot be measured: {error}")
    return _compared(new, before, test, *measured)


def _compared(new: Bundle, before: str, test: Sequence[Example], old: Measured, ours: Measured) -> Verdict:
    kind = "micro" if test[0].spans is not None else "macro"
    figures = (
        f"{kind} F1 {ours.figures.f1:.4f} against {old.figures.f1:.4f} of {before}, on the same {len(test):,} test "
        f"texts ({noise(test, old.answers, ours.answers)})"
    )
    if ours.figures.f1 > old.figures.f1:
        return Verdict(promote=True, why=f"{new.task}@{new.version} is put in service: {figures}")
    return _stays(new, f"it is no better: {figures}")


def noise(test: Sequence[Example], old: Sequence[Annotation], new: Sequence[Annotation]) -> str:
    """Whether the difference between two models' answers is more than noise, in words for people.

    The exact form of McNemar's test (1947): of the texts that only one of them has wholly right, how likely is so
    uneven a share if both are equally good.
    """
    pairs = [(_right(text, one), _right(text, other)) for text, one, other in zip(test, old, new, strict=True)]
    gained, lost = pairs.count((False, True)), pairs.count((True, False))
    p = sign_test(gained, lost)
    verdict = "more than noise" if p < 0.05 else "which may be noise"
    return f"{gained} texts gained, {lost} lost: {verdict}, p = {p:.2g}"


def sign_test(gained: int, lost: int) -> float:
    """The two-sided probability of a share at least as uneven as this one, were both sides equally likely."""
    whole = gained + lost
    tail = sum(math.comb(whole, k) for k in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / (1 << whole))


def _right(example: Example, answer: Annotation) -> bool:
    """Whether an answer is right throughout."""
    if example.spans is None:
        return bool(answer.labels) and answer.labels[0].label == example.label
    marked = {(span.start, span.end, span.label) for span in answer.spans or ()}
    return marked == {(span.start, span.end, span.label) for span in example.spans}


def _stays(new: Bundle, why: str) -> Verdict:
    by_hand = f"classifyd models promote {new.task} {new.version}"
    return Verdict(promote=False, why=f"{new.task}@{new.version} is not put in service: {why}. To do so: {by_hand}")
