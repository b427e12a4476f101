"""The command line: arguments, human messages, exit codes. Nothing heavy is imported until a command runs."""

from classifyd.cli.app import main

__all__ = ["main"]
