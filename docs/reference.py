"""Writes what the pages have of the code: python docs/reference.py.

The --help of every command into cli.md, signatures into plugins.md, the kinds of settings into configuration.md, and
the keys of outputs into output.md.
"""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from classifyd.config import schema

PAGE = Path(__file__).with_name("cli.md")
PLUGINS = Path(__file__).with_name("plugins.md")
SETTINGS = Path(__file__).with_name("configuration.md")
OUTPUT = Path(__file__).with_name("output.md")
SCHEMAS = Path(__file__).with_name("schemas")
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


def with_kinds(text: str) -> str:
    """The page on the configuration, with the kind of every setting as the code has it now: the third column."""
    sections = {"[[inbox]]": schema.InboxSection, "[tasks.NAME]": schema.TaskSection}
    sections |= {"[[receiver]]": schema.ReceiverSection}
    sections |= {f"[{name}]": section for name, section in schema.SECTIONS.items()}
    for name, section in sections.items():
        properties = section.model_json_schema()["properties"]
        before, head, rest = text.partition(f"\n## {name}\n")
        body, mark, after = rest.partition("\n## ")
        for setting, told in properties.items():
            row = re.compile(rf"^(\| `{setting}` \|[^|]*\|)[^|]*(\|)", re.MULTILINE)
            body, found = row.subn(rf"\1 {_kind(setting, told)} \2", body)
            if found != 1:
                raise SystemExit(f"configuration.md: {name} has {found} rows for {setting}; it must have one")
        text = before + head + body + mark + after
    return text


def with_keys(text: str) -> str:
    """The page on outputs, with the keys that the JSON Schemas have."""
    begin, end = "<!-- schemas: written by `make docs` -->\n", "<!-- end of schemas -->\n"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return before + begin + "".join(_tables()) + "\n" + end + after


def _tables() -> Iterator[str]:
    record, reason = (json.loads((SCHEMAS / f"{name}.json").read_text()) for name in ("record", "reason"))
    known = record["$defs"]
    yield _table("A record", record, known)
    yield _table("An annotation of labels", known["labels"], known)
    yield _table("An annotation of spans", known["spans"], known)
    yield _table("A span", known["span"], known)
    yield _table("The reason of a quarantine", reason, {}, reason["description"])


def _table(title: str, told: dict[str, Any], known: dict[str, Any], about: str = "") -> str:
    rows = "".join(_row(name, one, known) for name, one in told["properties"].items())
    intro = f"{about}\n\n" if about else ""
    return f"\n### {title}\n\n{intro}| key | kind | what |\n|---|---|---|\n{rows}"


def _row(name: str, told: dict[str, Any], known: dict[str, Any]) -> str:
    if "$ref" in told:
        told = known[told["$ref"].rpartition("/")[2]]
    kinds = told.get("type") or " or ".join(str(one.get("type", "number")) for one in told.get("anyOf", []))
    kind = f'`"{told["const"]}"`' if "const" in told else kinds if isinstance(kinds, str) else " or ".join(kinds)
    what = told.get("description", "").replace("<", "&lt;")  # no markup
    return f"| `{name}` | {kind} | {what} |\n"


def _kind(setting: str, told: dict[str, Any]) -> str:
    """What a setting may be, in words."""
    if "anyOf" in told:  # a size is a number or text, what may be left out is that or null
        told = min(told["anyOf"], key=lambda one: (one.get("type") == "null", one.get("type") == "string"))
    if "enum" in told:
        return " or ".join(f'`"{value}"`' for value in told["enum"])
    if "$ref" in told:
        return "table"
    kinds = {
        "string": "text",
        "array": "list of texts",
        "boolean": "true or false",
        "number": "number",
        "integer": "whole number",
        "object": "table",
    }
    least, most = told.get("minimum", told.get("exclusiveMinimum")), told.get("maximum")
    above = "above" if "exclusiveMinimum" in told else "from"
    bounds = [f"{above} {least:,}"] if least is not None else []
    bounds += [f"up to {most:,}"] if most is not None else []
    return "size" if setting.endswith("_bytes") else " ".join([kinds[told["type"]], *bounds])


def _plain(node: ast.FunctionDef | ast.ClassDef) -> str:
    """The code of a definition without its decorators, those of properties excepted."""
    node.decorator_list = []
    return re.sub(r"( def .+:)\n +\.\.\.", r"\1 ...", ast.unparse(node))


if __name__ == "__main__":
    PAGE.write_text(page())
    PLUGINS.write_text(with_signatures(PLUGINS.read_text()))
    SETTINGS.write_text(with_kinds(SETTINGS.read_text()))
    OUTPUT.write_text(with_keys(OUTPUT.read_text()))
