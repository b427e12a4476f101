"""Where a retired input goes: the folder that its inbox names, in which labels may stand."""

from pathlib import Path
from urllib.parse import quote

from classifyd.inbox.claims import unchanged
from classifyd.inbox.moves import fitted, free_names, reachable
from classifyd.inbox.scan import look
from classifyd.jobs import Claim
from classifyd.reports import PartReport

UNLABELLED = "unlabelled"


def done_folder(template: str, total: PartReport) -> Path:
    """The folder for a retired input: `{task}` becomes its label if it was a single record that got one."""
    path = template
    for task in _placeholders(template):
        label = total.labels.get(task)
        path = path.replace(f"{{{task}}}", encoded(label) if label else UNLABELLED)
    return Path(path)


def lying(claim: Claim, folder: Path, name: str) -> Path | None:
    """Where an input lies that was moved below a folder; None if it was taken away since."""
    for place in free_names(folder / reachable(folder, name)):
        found = look(str(place), name)
        if found is None:
            return None
        if unchanged(found, claim):
            return place
    raise AssertionError("names never run out")


def encoded(label: str) -> str:
    """A label as one safe component of a path."""
    safe = quote(label, safe=" +,=@()", errors="backslashreplace")
    return fitted(safe.replace(".", "%2E") if safe.startswith(".") else safe)


def _placeholders(template: str) -> list[str]:
    return [piece.partition("}")[0] for piece in template.split("{")[1:] if "}" in piece]
