"""`classifyd doctor`: what would keep a daemon from working well here, and what mends it."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

from typing import Any

import typer

from classifyd.cli.options import ConfigOption, JsonOption, load_settings, with_shipped_models

MARKS = {"good": ("✓", "green"), "worse": ("!", "yellow"), "bad": ("✗", "red")}


def doctor(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Look at folders, limits, processor, models, plugins and the cluster; exit 1 if something must be mended.

    Example: [bold]classifyd doctor --config office/config.toml[/bold]
    """
    import sys
    from contextlib import redirect_stdout
    from dataclasses import asdict

    from classifyd.cli.diagnosis import examine
    from classifyd.cli.screen import say_json, show

    with redirect_stdout(sys.stderr):  # Ray prints, and results are for programs
        findings = list(examine(with_shipped_models(load_settings(config))))
    if json:
        say_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            show(_line(finding))
    raise typer.Exit(int(any(finding.state == "bad" for finding in findings)))


def _line(finding: Any) -> Any:
    from rich.text import Text

    from classifyd.cli.screen import safe

    mark, style = MARKS[finding.state]
    line = Text.assemble((mark, style), " ", (finding.about, "bold"), ": ", safe(finding.what))
    if finding.mend:
        line.append(f"\n    {safe(finding.mend)}", "dim")
    return line
