"""`classifyd corrections`: what people said of texts, for their eyes and for the next training."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from classifyd.cli.options import ConfigOption, JsonOption, load_settings

if TYPE_CHECKING:
    from classifyd.config import Config
    from classifyd.ledger import Correction

app = typer.Typer(no_args_is_help=True, help="What people said of texts: list it, export it.")

TaskArgument = Annotated[str | None, typer.Argument(metavar="[TASK]", help="Else all.", show_default=False)]
COLUMNS = ("when", "who", "task", "said", "right", "model", "inbox", "file")


@app.callback()
def _group() -> None:
    """What people said of texts: list it, export it."""


@app.command("list")
def list_corrections(
    task: TaskArgument = None,
    texts: Annotated[bool, typer.Option("--texts", help="Show how each text begins.")] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List corrections, the newest first: who made them, when, and which model was wrong; no texts, unless asked for.

    Example: [bold]classifyd corrections list spam[/bold]
    """
    from classifyd.cli.screen import line, say_json, show, table

    found = kept(load_settings(config), task)[::-1]
    if json:
        say_json([_document(one) | ({"text": one.text} if texts else {}) for one in found])
        return
    columns = (*COLUMNS, "text") if texts else COLUMNS
    show(table(columns, [(*_row(one), line(one.text[:60]))[: len(columns)] for one in found]), _sum(found))


@app.command()
def export(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task.", show_default=False)],
    config: ConfigOption = None,
) -> None:
    """Print a task's corrections as labelled data, a JSON line each, as `train --data` and `evaluate --data` take it.

    Example: [bold]classifyd corrections export spam > corrections.jsonl[/bold]
    """
    import json as lines

    for one in kept(load_settings(config), task):
        spans = [{"start": span.start, "end": span.end, "label": span.label} for span in one.spans or ()]
        answer = {"label": one.label} if one.spans is None else {"spans": spans}
        print(lines.dumps({"text": one.text, **answer, "source": "corrections", **_document(one)}))


def kept(settings: "Config", task: str | None) -> "list[Correction]":
    """The corrections in the ledger, oldest first. UnavailableError if there is no ledger."""
    from classifyd.ledger import LedgerView

    view = LedgerView(settings.daemon.state / "ledger.sqlite")
    try:
        return view.corrections(task)
    finally:
        view.close()


def _document(one: "Correction") -> dict[str, Any]:
    return {
        "when": datetime.fromtimestamp(one.at, UTC).isoformat(timespec="seconds"),
        "who": one.who,
        "task": one.task,
        "said": one.said,
        "right": _right(one),
        "model": one.model,
        "inbox": one.inbox,
        "file": one.source,
    }


def _row(one: "Correction") -> tuple[str, ...]:
    return tuple(str(value) for value in _document(one).values())


def _right(one: "Correction") -> str:
    if one.spans is None:
        return one.label or ""
    return ", ".join(f"{span.label} {span.start}-{span.end}" for span in one.spans) or "nothing"


def _sum(found: "list[Correction]") -> str:
    if not found:
        return "no corrections; see: classifyd train --help"
    confirmed = sum(one.said == _right(one) for one in found if one.said)
    tasks = Counter(one.task for one in found)
    named = ", ".join(f"{task} {count}" for task, count in sorted(tasks.items()))
    count = f"{len(found)} correction{'' if len(found) == 1 else 's'}"
    return f"{count}: {named}; {confirmed} of them say what the model said"
