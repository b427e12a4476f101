"""Whatever is printed beside the log becomes a line of it, up to the last words of a library that ends the process."""

import json
import subprocess
import sys

from classifyd.service.strays import told

PRINTING = """
import logging, os, sys
import structlog
from classifyd import logs
from classifyd.service.strays import Strays

with Strays() as strays:
    logs.configure("json", "info", strays.set_apart())
    structlog.get_logger().info("begun")
    print("\\x1b[33m(raylet)\\x1b[0m on standard output,\\nin two lines", flush=True)
    os.write(2, b"native \\xff words\\n")
    os.write(2, b'{"event": "of a worker"}\\n')
    os.system("echo of a child")
    {end}
print("afterwards")
"""


def lines(end):
    """What a process leaves on its standard error, and on its standard output."""
    ran = subprocess.run(
        [sys.executable, "-c", PRINTING.replace("{end}", end)], capture_output=True, text=True, check=False
    )
    return ran.stderr.splitlines(), ran.stdout


def test_every_line_of_the_log_is_one_json_object_whoever_printed_it():
    found, outside = lines("pass")

    events = [json.loads(line) for line in found]
    assert {"begun", "printed", "of a worker"} == {event["event"] for event in events}
    said = "\n".join(event["said"] for event in events if event["event"] == "printed")
    assert "(raylet) on standard output,\nin two lines\nnative \ufffd words\nof a child" == said
    assert "afterwards\n" == outside


def test_the_last_words_before_a_crash_are_in_the_log():
    found, _ = lines("os.write(2, b'[E] fatal, so I abort'); os.abort()")

    assert "[E] fatal, so I abort" in json.loads(found[-1])["said"]


def test_what_comes_at_once_is_one_event_and_a_long_one_is_cut():
    [one, worker, other] = told(["a", "b", '{"event": "x"}', "{" + "c" * 9_000])

    assert ("a\nb", '{"event": "x"}') == (json.loads(one)["said"], worker)
    assert 4_000 == len(json.loads(other)["said"])
