"""Writes docs/cli.md, the --help of every command: python docs/reference.py."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PAGE = Path(__file__).with_name("cli.md")
CLASSIFYD = Path(sys.executable).with_name("classifyd")
PLAIN = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
HEAD = "# Every command\n\nWhat `classifyd COMMAND --help` says. Written by `make docs`; a test compares.\n"


def page() -> str:
    """The page as it should be."""
    return HEAD + "".join(f"\n## {' '.join(words)}\n\n```text\n{usage(*words[1:])}\n```\n" for words in commands())


def commands(*group: str) -> Iterator[tuple[str, ...]]:
    """The words of every command, depth first."""
    yield ("classifyd", *group)
    _, _, listed = usage(*group).partition("─ Commands ─")
    for name in re.findall(r"^│ ([a-z][a-z-]*) ", listed, re.MULTILINE):
        yield from commands(*group, name)


@cache
def usage(*words: str) -> str:
    """The --help of a command, the same on every terminal; empty if there is no such command."""
    command = [str(CLASSIFYD), *words, "--help"]
    found = subprocess.run(command, capture_output=True, text=True, env=os.environ | PLAIN, check=False)  # noqa: S603  # our own
    return "\n".join(line.rstrip() for line in found.stdout.strip().splitlines()) if found.returncode == 0 else ""


if __name__ == "__main__":
    PAGE.write_text(page())
