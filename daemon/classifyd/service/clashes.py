"""Places for answers to files that somebody named are refused where they would do harm. All raise UsageError."""

import os
from collections.abc import Iterable
from pathlib import Path

from classifyd.errors import UsageError
from classifyd.inbox.moves import shown


def refuse_within(sources: Iterable[str], target: str) -> None:
    """The folder of the answers must not be, or lie in, one that is labelled: the next run would label the answers."""
    place = Path(os.path.realpath(target))
    for source in sources:
        root = Path(os.path.realpath(source))
        if root.is_dir() and place.is_relative_to(root):
            raise within(source, target)


def within(source: str, target: str) -> UsageError:
    """Says that a target lies in a source."""
    return UsageError(
        f"--output {shown(target)}: lies in {shown(source)}, so that its answers would be labelled too; "
        "name a folder outside"
    )


def refuse_shared(answers: Iterable[tuple[str, str]]) -> None:
    """No two inputs may have one answer; given are inputs and the names of their answers."""
    taken: dict[str, str] = {}
    for source, output in answers:
        if output in taken:
            raise UsageError(
                f"{shown(source)} and {shown(taken[output])} would both be answered in {shown(output)}; "
                "label them into different folders"
            )
        taken[output] = source


def refuse_overwriting(inputs: Iterable[str], outputs: Iterable[str]) -> None:
    """No answer may take the place of an input, by whatever path; both are paths or URLs."""
    replaced = {_file(output) for output in outputs if "://" in output or os.path.lexists(output)}
    if not replaced:
        return  # nothing is there yet: the inputs need not be looked at
    for name in inputs:
        if _file(name) in replaced:
            raise UsageError(f"{shown(name)}: an answer would take its place; name another --output")


def _file(name: str) -> tuple[int, int] | str:
    """The same for every path to a file; a URL as it is."""
    if "://" in name:
        return name
    try:
        status = Path(name).stat()
    except OSError:
        return name
    return status.st_dev, status.st_ino
