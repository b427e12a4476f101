"""What served before: the text file `history` beside `current`, one line per change of what serves.

    2026-03-01T09:30:00Z promoted 3
    2026-03-02T08:00:00Z rolled back to 2

Read from the top, a promotion puts a version on a stack and a rollback takes off what lies above the version it went
to; the version below the one in service is the one that served before it. `current` alone says what serves: where the
two differ (a crash between them, an edit by hand), `current` is right. Lines that cannot be read are passed over.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

HISTORY = "history"
_LINE = re.compile(r"\S+ (promoted|rolled back to) ([1-9][0-9]{0,17})")


def stack(text: str) -> tuple[int, ...]:
    """The versions that served and were not rolled back, the one put in service last at the end."""
    served: list[int] = []
    for line in text.splitlines():
        found = _LINE.fullmatch(line.strip())
        if found is None:
            continue
        version = int(found[2])
        if found[1] == "rolled back to":
            del served[_last(served, version, otherwise=len(served) - 1) :]
        if served[-1:] != [version]:
            served.append(version)
    return tuple(served)


def before(served: Sequence[int], current: int, versions: Iterable[int]) -> int | None:
    """The version that a rollback from `current` goes to; None if there is none.

    That is the last one that served before and is still there, else the next lower of `versions`.
    """
    there = set(versions)
    above = _last(served, current, otherwise=len(served))
    earlier = [version for version in served[:above] if version in there and version != current]
    lower = sorted(version for version in there if version < current)
    return next((found[-1] for found in (earlier, lower) if found), None)


def noted(text: str, current: int | None, version: int, *, back: bool) -> str:
    """The history with one more change, after one for what serves now if it does so without the history's knowing."""
    return "\n".join((*text.splitlines(), *_news(text, current, version, back=back), ""))


def _last(served: Sequence[int], version: int, *, otherwise: int) -> int:
    """The highest place of a version on the stack."""
    return max((place for place, served_then in enumerate(served) if served_then == version), default=max(0, otherwise))


def _news(text: str, current: int | None, version: int, *, back: bool) -> Iterator[str]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if current is not None and stack(text)[-1:] != (current,):
        yield f"{now} promoted {current}"
    if version != current:
        yield f"{now} {'rolled back to' if back else 'promoted'} {version}"
