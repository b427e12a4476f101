"""The commands, each in a module of its own, and the one place where errors become exit codes."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

import contextlib
import importlib.util
import os
import sys
from typing import Annotated

import typer

from classifyd.cli import config, corrections, models, plugins
from classifyd.cli.cancel import cancel
from classifyd.cli.doctor import doctor
from classifyd.cli.explain import explain
from classifyd.cli.init import init
from classifyd.cli.label import label
from classifyd.cli.pause import pause, resume
from classifyd.cli.retry import retry
from classifyd.cli.run import run
from classifyd.cli.status import status
from classifyd.errors import ClassifydError

app = typer.Typer(
    name="classifyd",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from classifyd import __version__

        print(f"classifyd {__version__}")
        raise typer.Exit


@app.callback()
def classifyd(
    version: Annotated[  # its callback has acted on it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Turn files dropped into folders into labelled records.

    Begin with: [bold]classifyd init office[/bold], then [bold]classifyd run --config office/config.toml[/bold]
    """


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # Names of files need not be UTF-8, and a terminal need not be either.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # not every stream has it
    try:
        app()
    except ClassifydError as error:
        from classifyd.cli.screen import complain

        complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has left; Python must not try to flush it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


app.command()(run)
app.command()(label)
for _name in ("train", "evaluate"):
    if importlib.util.find_spec(f"classifyd.cli.{_name}"):  # a build without them serves all the same
        app.command()(getattr(importlib.import_module(f"classifyd.cli.{_name}"), _name))
app.command()(init)
app.command()(status)
app.command()(retry)
app.command()(pause)
app.command()(resume)
app.command()(cancel)
app.command()(explain)
app.add_typer(plugins.app, name="plugins")
app.add_typer(models.app, name="models")
app.add_typer(corrections.app, name="corrections")
app.add_typer(config.app, name="config")
app.command()(doctor)
