"""The log is one JSON object per line, or lines for people; nothing that is logged can break it."""

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from classifyd import logs

log = structlog.get_logger()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
    logging.captureWarnings(False)
    structlog.reset_defaults()


Capture = pytest.CaptureFixture[str]


def lines(capsys: Capture) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_log_that_is_no_terminal_gets_json_lines(capsys: Capture) -> None:
    logs.configure()
    log.info("claimed", file="a.txt", bytes=3)
    [line] = lines(capsys)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert (line["level"], line["event"], line["file"], line["bytes"]) == ("info", "claimed", "a.txt", 3)


def test_a_terminal_gets_lines_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    logs.configure()
    log.info("claimed", file="a.txt")
    assert "claimed" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")


@pytest.mark.parametrize("kind", ["json", "console"])
def test_no_file_name_can_break_a_line_or_reach_the_terminal(capsys: Capture, kind: logs.Format) -> None:
    logs.configure(kind)
    name = "a\x1b[2J\n\r\x9b\u202e\udc80.txt"
    log.info("claimed", file=name, path=Path(name), more=[name], inner={name: name})
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert all(c.isprintable() for c in text.rstrip("\n"))
    text.encode()


def test_values_that_json_does_not_know_are_written_as_text(capsys: Capture) -> None:
    logs.configure("json")
    log.info("rate", now=float("nan"), error=ValueError("x"), none=None)
    [line] = lines(capsys)
    assert (line["now"], line["error"], line["none"]) == ("nan", "x", None)


def test_an_exception_stays_within_its_line(capsys: Capture) -> None:
    logs.configure("json")
    try:
        raise ValueError("x\x1b")
    except ValueError:
        log.exception("failed")
    [line] = lines(capsys)
    assert "ValueError: x\\x1b" in line["exception"]


def test_what_libraries_log_and_warn_of_is_told_in_the_same_way(capsys: Capture) -> None:
    logs.configure("json")
    logging.getLogger("watchdog").warning("overflow of %s", "a\x1b")
    logging.getLogger("watchdog").info("chatter")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old", stacklevel=1)
    overflow, old = lines(capsys)
    assert (overflow["logger"], old["logger"]) == ("watchdog", "py.warnings")
    assert overflow["event"] == "overflow of a\\x1b"


def test_events_below_the_level_are_left_out(capsys: Capture) -> None:
    logs.configure("json", "warning")
    log.info("claimed")
    log.warning("held")
    assert [line["event"] for line in lines(capsys)] == ["held"]


def test_a_log_that_cannot_be_written_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    monkeypatch.setattr(sys, "stderr", closed)
    logs.configure("json")
    closed.close()
    log.info("claimed")


def test_set_up_twice_each_event_is_still_told_once(capsys: Capture) -> None:
    logs.configure("json")
    logs.configure("json")
    logging.getLogger("watchdog").warning("once")
    log.info("once")
    assert len(lines(capsys)) == 2
