"""Pieces of Markdown: tables, and texts of the data in them that stay what they are."""

import re
from collections.abc import Iterable, Sequence

SHOWN = 300
"""Characters of a text that a report shows."""

_MARKS = re.compile(r"([\\`*\[\]<>|])")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; columns that begin with ":" are of text, all others are aligned to the right."""
    return [
        "| " + " | ".join(column.removeprefix(":") for column in columns) + " |",
        "|" + "|".join("---" if column.startswith(":") else "--:" for column in columns) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]


def plain(text: str) -> str:
    """A name out of the data, in one line, with its marks escaped."""
    return _MARKS.sub(r"\\\1", visible(text))


def code(text: str) -> str:
    """A text of the data as code for a table's cell: in one line, shortened, and nothing in it means anything."""
    shown = visible(text)
    shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    gap = " " if shown.startswith("`") or shown.endswith("`") or not shown else ""
    return fence + gap + shown.replace("|", r"\|") + gap + fence


def visible(text: str) -> str:
    """The text in one line, control characters and what turns the direction of writing escaped."""
    joined = " ".join(text.split())
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in joined)
