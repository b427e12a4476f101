"""The commands, each in a module of its own, and the one place where errors become exit codes."""

import os
import sys

import typer

from classifyd.cli.run import run
from classifyd.errors import ClassifydError

app = typer.Typer(name="classifyd", no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False)
app.command()(run)


@app.callback()
def classifyd() -> None:
    """Turn files dropped into folders into labelled records."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        app()
    except ClassifydError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has left; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
