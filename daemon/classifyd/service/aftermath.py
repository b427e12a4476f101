"""What workers were doing when an earlier daemon ended without having stopped: who may be to blame for that.

A daemon may have been killed, or a record may have taken it down with its worker (by the memory of all of them, say),
and nothing tells one from the other but that the latter comes again and again. So each end narrows the suspects down as
a worker's death does, and convicts a record, or an input that was read, written, cut or assembled, only after many.
"""

from collections.abc import Mapping
from pathlib import Path

from classifyd.jobs import Suspect
from classifyd.pipeline import breadcrumb
from classifyd.pipeline.breadcrumb import Crumb, Range
from classifyd.service.blame import STAGES, counted_end, narrowed_by_end


class Aftermath:
    """The crumbs that lay in a folder before this daemon's workers began; they are removed by reading them."""

    def __init__(self, folder: Path) -> None:
        paths = sorted(folder.glob("*"))
        self._crumbs = [crumb for crumb in map(breadcrumb.read, map(str, paths)) if crumb is not None]
        for path in paths:
            path.unlink(missing_ok=True)

    def suspects(self, claim: str, known: Mapping[int, tuple[Suspect, ...]]) -> dict[int, tuple[Suspect, ...]]:
        """An input's suspects by split, in place of those that were known before the end."""
        found = dict(known)
        for crumb in self._crumbs:
            for range_ in crumb.ranges:
                if range_.claim == claim:
                    found[range_.number] = _after(crumb, range_, found.get(range_.number, ()))
        return found


def _after(crumb: Crumb, range_: Range, suspects: tuple[Suspect, ...]) -> tuple[Suspect, ...]:
    if crumb.deed == "predicting":
        return narrowed_by_end(suspects, crumb.task, range_)
    return counted_end(suspects, crumb.deed, alone=len(crumb.ranges) == 1) if crumb.deed in STAGES else suspects
