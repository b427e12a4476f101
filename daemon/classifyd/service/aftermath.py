"""What workers were doing when an earlier daemon ended without having stopped: who may be to blame for that.

A daemon may have been killed, or a record may have taken it down with its worker (by the memory of all of them, say),
and nothing tells one from the other but that the latter comes again and again. So each end narrows the suspects down as
a worker's death does, and convicts a record only after many.
"""

from collections.abc import Mapping
from pathlib import Path

from classifyd.jobs import Suspect
from classifyd.pipeline import breadcrumb
from classifyd.service.blame import narrowed_by_end


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
            for range_ in crumb.ranges if crumb.deed == "predicting" else ():
                if range_.claim == claim:
                    before = found.get(range_.number, ())
                    found[range_.number] = narrowed_by_end(before, crumb.task, range_)
        return found
