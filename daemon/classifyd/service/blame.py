"""Who is to blame when a worker dies, by the breadcrumb it left: pure functions from a crumb to what is tried next."""

from collections.abc import Sequence
from dataclasses import replace

from classifyd.jobs import Suspect
from classifyd.pipeline.breadcrumb import Range
from classifyd.planning import Waiting

DEATHS = 2
"""So many workers must have died on a single record that was predicted alone."""
ENDS = 10
"""So many daemons must have ended with it: they may have been killed, which is not to be laid at a record's door."""


def narrowed(suspects: Sequence[Suspect], task: str, found: Range, reason: str) -> tuple[Suspect, ...]:
    """The split's suspects after one more death in a range: the range replaces the wider one that it lies in.

    A single record that was tried alone and died again is convicted.
    """
    return _narrowed(suspects, Suspect(task, found.start, found.end, reason))


def narrowed_by_end(
    suspects: Sequence[Suspect], task: str, found: Range, what: str = "classifyd"
) -> tuple[Suspect, ...]:
    """The same after the daemon and all its workers ended, or a node, which takes far more to convict a record."""
    reason = f"{what} ended {ENDS} times while this record was predicted"
    return _narrowed(suspects, Suspect(task, found.start, found.end, reason, deaths=0, ends=1))


STAGES = {"reading": "read or written", "writing": "read or written", "cutting": "cut", "assembling": "put together"}
"""What a worker does with an input that is no task's affair, as people say it."""


def counted_end(suspects: Sequence[Suspect], deed: str, *, alone: bool) -> tuple[Suspect, ...]:
    """The same where the input as a whole may have been at fault, while one of `STAGES` was done with it.

    An end counts only if the split was all that its worker was busy with; else it only goes alone from now on.
    """
    reason = f"classifyd ended {ENDS} times while this input was {STAGES[deed]}"
    before = next((s for s in suspects if s.is_whole and s.reason == reason), None)
    ends = (before.ends if before else 0) + alone
    others = (suspect for suspect in suspects if suspect is not before)
    return (*others, Suspect("", 0, 0, reason, convicted=ends >= ENDS, deaths=0, ends=ends))


def _narrowed(suspects: Sequence[Suspect], now: Suspect) -> tuple[Suspect, ...]:
    others = [s for s in suspects if not (s.task == now.task and s.start <= now.start and now.end <= s.end)]
    for before in suspects:
        if (before.task, before.start, before.end) == (now.task, now.start, now.end):
            now = replace(now, deaths=now.deaths + before.deaths, ends=now.ends + before.ends)
    guilty = now.end - now.start == 1 and (now.deaths >= DEATHS or now.ends >= ENDS)
    return (*others, replace(now, convicted=guilty))


def halves(items: Sequence[Waiting]) -> tuple[tuple[Waiting, ...], ...]:
    """The splits of a failed job in two groups; a single one goes alone from now on."""
    if len(items) == 1:
        return ((replace(items[0], alone=True),),)
    middle = len(items) // 2
    return tuple(items[:middle]), tuple(items[middle:])
