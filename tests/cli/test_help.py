"""`--help` answers at once, for every command, with an example; faults of the command line exit 2."""

import os
import resource
import subprocess
import sys

import pytest
from console import Run

COMMANDS = [
    *(["run"], ["label"], ["init"], ["status"], ["retry"], ["doctor"]),
    *(["plugins", "list"], ["plugins", "new"], ["plugins", "test"], ["corrections", "list"], ["corrections", "export"]),
    *(["models", "export"], ["models", "import"]),
    *(["models", "list"], ["models", "show"], ["models", "verify"], ["models", "promote"], ["models", "rollback"]),
    *(["config", "check"], ["config", "show"]),
]
HEAVY = {
    *("pydantic", "numpy", "structlog", "pluggy", "watchdog", "sqlite3", "onnxruntime", "tokenizers"),
    *("torch", "transformers", "pyarrow", "charset_normalizer", "selectolax", "classifyd_bert"),
    *("classifyd.config", "classifyd.plugins", "classifyd.service", "classifyd.values"),
}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_every_command_shows_an_example(run: Run, command: list[str]) -> None:
    outcome = run(*command, "--help")
    assert outcome.returncode == 0
    assert "Example: " in outcome.stdout
    assert f"classifyd {' '.join(command)}" in outcome.stdout.split("Example: ")[1]


@pytest.mark.parametrize("command", [[], ["run"], ["label"], ["status"]], ids=" ".join)
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    code = (
        "import sys\nfrom classifyd.cli import main\n"
        f"sys.argv = ['classifyd', *{command!r}, '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print(sorted({HEAVY!r} & sys.modules.keys()))"
    )
    # typer itself takes pydantic to read a command's arguments, though not to list the commands.
    allowed = ["pydantic"] if command else []
    # Coverage would be measured in the child, too, and imports sqlite3 for it.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=plain)
    assert outcome.stdout.splitlines()[-1] in ("[]", str(allowed))


def test_help_answers_within_a_second_and_a_half(run: Run) -> None:
    def seconds() -> float:
        """Of the processor: what else the machine has to do is not its affair."""
        began = spent()
        assert run("--help").returncode == 0
        return spent() - began

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    assert min(seconds() for _ in range(4)) < 1.5


def test_the_version_is_printed(run: Run) -> None:
    assert run("--version").stdout.startswith("classifyd ")


@pytest.mark.parametrize("arguments", [["nonsense"], ["run", "--nonsense"], ["label"], ["status", "--watch", "--json"]])
def test_a_command_line_that_makes_no_sense_exits_2(run: Run, arguments: list[str]) -> None:
    outcome = run(*arguments)
    assert outcome.returncode == 2
    assert outcome.stdout == ""
    assert "Traceback" not in outcome.stderr
