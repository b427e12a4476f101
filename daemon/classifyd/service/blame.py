"""Who is to blame when a worker dies, by the breadcrumb it left: pure functions from a crumb to what is tried next."""

from collections.abc import Sequence
from dataclasses import replace

from classifyd.jobs import Suspect
from classifyd.pipeline.breadcrumb import Range
from classifyd.planning import Waiting


def narrowed(suspects: Sequence[Suspect], task: str, found: Range, reason: str) -> tuple[Suspect, ...]:
    """The split's suspects after one more death in a range: the range replaces the wider one that it lies in.

    A single record that was tried alone and died again is convicted.
    """
    others = [s for s in suspects if not (s.task == task and s.start <= found.start and found.end <= s.end)]
    alone = found.end - found.start == 1
    before = any(s.task == task and (s.start, s.end) == (found.start, found.end) for s in suspects)
    return (*others, Suspect(task, found.start, found.end, reason, convicted=alone and before))


def halves(items: Sequence[Waiting]) -> tuple[tuple[Waiting, ...], ...]:
    """The splits of a failed job in two groups; a single one goes alone from now on."""
    if len(items) == 1:
        return ((replace(items[0], alone=True),),)
    middle = len(items) // 2
    return tuple(items[:middle]), tuple(items[middle:])
