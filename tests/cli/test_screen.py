"""Nothing that strangers wrote looks like a line of ours or moves the cursor."""

import pytest

from classifyd.cli.screen import line, safe, table

HOSTILE = "a\nThe daemon is not running.\r\x1b[2J\x9b\u202e\u2028\u0085\udc80"


@pytest.mark.parametrize("made", [line(HOSTILE), safe(HOSTILE).replace("\n", "")])
def test_what_strangers_wrote_is_printable_and_on_one_line(made: str) -> None:
    assert made.isprintable()
    assert "\\x1b[2J\\x9b\\u202e\\u2028\\x85" in made
    made.encode()


def test_a_cell_of_a_table_is_printable(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console  # as the commands do

    Console(width=200).print(table(("name",), [(HOSTILE,)]))
    assert all(character.isprintable() or character == "\n" for character in capsys.readouterr().out)
