"""Writes docs/cli.md, the --help of every command, and the signatures in docs/plugins.md: python docs/reference.py."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PAGE = Path(__file__).with_name("cli.md")
PLUGINS = Path(__file__).with_name("plugins.md")
SOURCE = Path(__file__).parents[1] / "daemon" / "classifyd"
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


def with_signatures(text: str) -> str:
    """The page on plugins with the hooks and protocols as the code has them now."""
    for name, code in (("hooks", hooks()), ("protocols", protocols())):
        begin, end = f"<!-- {name}: written by `make docs` -->\n", f"<!-- end of {name} -->\n"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}```python\n{code}\n```\n{end}{after}"
    return text


def hooks() -> str:
    """Every hook with its signature and what it says of itself."""
    nodes = ast.parse((SOURCE / "hookspecs.py").read_text()).body
    return "\n\n\n".join(_plain(node) for node in nodes if isinstance(node, ast.FunctionDef))


def protocols() -> str:
    """Every protocol of the api, likewise, after what an answer may be."""
    nodes = ast.parse((SOURCE / "api.py").read_text()).body
    [answer] = [node for node in nodes if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "Answer"]
    return "\n\n\n".join([ast.unparse(answer), *(_plain(node) for node in nodes if isinstance(node, ast.ClassDef))])


def _plain(node: ast.FunctionDef | ast.ClassDef) -> str:
    """The code of a definition without its decorators, those of properties excepted."""
    node.decorator_list = []
    return re.sub(r"( def .+:)\n +\.\.\.", r"\1 ...", ast.unparse(node))


if __name__ == "__main__":
    PAGE.write_text(page())
    PLUGINS.write_text(with_signatures(PLUGINS.read_text()))
