"""What fuzzing begins with and what it found keeps every surface's promises; `make fuzz` looks for more."""

import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "fuzzing"
sys.path.insert(0, str(HERE))
from promises import PROMISES  # noqa: E402  # a folder of scripts, not a package

SEEDS = [(path.parent.name, path) for path in sorted((HERE / "corpus").glob("*/*"))]
FOUND = [(path.name.partition("-")[0], path) for path in sorted((HERE / "found").iterdir())]


@pytest.mark.parametrize(("surface", "path"), SEEDS + FOUND, ids=lambda value: getattr(value, "name", value))
def test_every_input_that_was_found_keeps_the_promises(surface, path):
    started = time.process_time()
    PROMISES[surface](path.read_bytes())
    assert time.process_time() - started < 5


@pytest.mark.parametrize("surface", PROMISES)
def test_fuzzing_of_every_surface_begins_with_something(surface):
    assert surface in {name for name, _ in SEEDS}


def test_a_promise_that_is_broken_is_seen(monkeypatch):
    monkeypatch.setattr("classifyd.readers.delimited.DelimitedReader.cut", lambda *_: iter(()))
    with pytest.raises(AssertionError):
        PROMISES["table"](b"id,text\n1,a\n")
