"""Whether the folders of a configuration can live together: no inbox may take what another part puts down."""

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from classifyd.config.corrections import watched
from classifyd.config.sentences import quoted
from classifyd.config.settings import DELETE, InboxConfig


def folder_faults(inboxes: Sequence[InboxConfig], state: Path) -> Iterator[str]:
    """Everything wrong with the folders, a sentence each, without the file's name."""
    for inbox in inboxes:
        yield from _missing(inbox)
    takers = watched(tuple(inboxes), state)
    for one, other in itertools.combinations(takers, 2):
        yield from _shared(one, other)
    for inbox in inboxes:
        yield from _self_feeding(inbox, takers)
        if inbox.recursive and _inside(state, inbox.path):
            yield (
                f"[daemon] state {quoted(str(state))} lies inside the recursive inbox {quoted(inbox.name)};"
                " move it elsewhere"
            )


def fixed_part(done: str) -> Path:
    """The folders of a `done` path above the first one that holds a label."""
    return Path(*itertools.takewhile(lambda part: "{" not in part, Path(done).parts))


def _missing(inbox: InboxConfig) -> Iterator[str]:
    path = str(inbox.path)
    if not os.path.lexists(path):
        yield f"inbox {quoted(inbox.name)}: the folder {quoted(path)} is missing; make it with: mkdir -p {quoted(path)}"
    elif not inbox.path.is_dir():
        yield f"inbox {quoted(inbox.name)}: path {quoted(path)} is no folder; name the folder to watch"


def _shared(one: InboxConfig, other: InboxConfig) -> Iterator[str]:
    if _real(one.path) == _real(other.path):
        yield (
            f"inboxes {quoted(one.name)} and {quoted(other.name)} watch one folder, {quoted(str(_real(one.path)))};"
            " join them or give each its own"
        )
        return
    for outer, inner in ((one, other), (other, one)):
        if outer.recursive and _inside(inner.path, outer.path):
            yield (
                f"inbox {quoted(inner.name)} lies inside the recursive inbox {quoted(outer.name)}, which would take its"
                " files; move it elsewhere, or set recursive = false"
            )


def _self_feeding(inbox: InboxConfig, inboxes: Sequence[InboxConfig]) -> Iterator[str]:
    for setting, folder in _folders(inbox):
        for taker in inboxes:
            if _would_take(taker, folder, own=taker is inbox):
                kind = "recursive inbox" if taker.recursive else "inbox"
                yield (
                    f"inbox {quoted(inbox.name)}: {setting} {quoted(str(folder))} lies inside the {kind}"
                    f" {quoted(taker.name)}, which would take it for input; move it elsewhere"
                )


def _folders(inbox: InboxConfig) -> Iterator[tuple[str, Path]]:
    yield "output", inbox.output
    yield "quarantine", inbox.quarantine
    if inbox.review is not None:
        yield "review", inbox.review
    if inbox.take == "move" and inbox.done != DELETE:
        yield "done", fixed_part(inbox.done)


def _would_take(taker: InboxConfig, folder: Path, *, own: bool) -> bool:
    if _real(folder) == _real(taker.path):
        return True
    # A folder below one's own inbox is not looked into unless it is recursive; below another's it is a trap.
    return (taker.recursive or not own) and _inside(folder, taker.path)


def _inside(path: Path, folder: Path) -> bool:
    return _real(path).is_relative_to(_real(folder))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
