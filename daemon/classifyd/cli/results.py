"""Where the answers of `label` go: standard output, or a file that gets its name only once it is whole."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from classifyd.errors import ClassifydError
from classifyd.inbox.moves import shown

STANDARD = "-"


@contextlib.contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """Standard output for answers alone: what plugins and their libraries print meanwhile goes to standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with open(kept, "wb", closefd=False) as stream:  # a descriptor has no path
            yield stream
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


@contextlib.contextmanager
def sink(output: str, standard: BinaryIO) -> Iterator[BinaryIO]:
    """The stream for one output, by its path; `standard` for a dash."""
    if output == STANDARD:
        yield standard
        standard.flush()
        return
    target = Path(output)
    draft = target.with_name(f".{target.name[:200]}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as stream:
            yield stream
        draft.replace(target)
    except OSError as error:
        raise ClassifydError(f"{shown(output)}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def emit(part: str, stream: BinaryIO) -> None:
    """Append a finished part, and remove it."""
    with Path(part).open("rb") as file:
        shutil.copyfileobj(file, stream)
    Path(part).unlink()
