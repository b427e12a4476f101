"""What people see: results on standard output, the rest on standard error, and no name that moves their cursor."""
# ruff: noqa: PLC0415  # rich waits until there is something to print, so that --help is quick

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


def safe(text: str) -> str:
    """The text with control characters escaped and what is not Unicode made visible."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)


def line(text: str) -> str:
    """The same on one line: what holds words of strangers must not look like a line of ours."""
    return safe(text).replace("\n", "\\n")


def say(text: str) -> None:
    """Print a result."""
    print(safe(text))


def complain(text: str) -> None:
    """Print a fault."""
    print(safe(text), file=sys.stderr)


def say_json(document: Any) -> None:
    """Print a result for programs."""
    print(json.dumps(document, indent=2, default=str))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], right: Iterable[str] = ()) -> "Table":
    """A table of plain text; the columns in `right` are aligned to the right, and stay whole where it is narrow."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    numbers = set(right)
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        number = column in numbers
        made.add_column(column, justify="right" if number else "left", overflow="fold", no_wrap=number)
    for row in rows:
        # Text, not str: a name in brackets is no mark-up.
        made.add_row(*(Text(safe(str(cell))) for cell in row))
    return made


def show(*things: Any) -> None:
    """Print tables and lines, coloured on a terminal; elsewhere as wide as they need to be."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    for thing in things:
        console.print(safe(thing) if isinstance(thing, str) else thing, markup=False, soft_wrap=isinstance(thing, str))
