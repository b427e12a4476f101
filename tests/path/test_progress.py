"""How far a large file is, seen while the real daemon works on it."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

from daemons import wait_until

RECORDS = 20_000


def status(place, *options):
    command = [Path(sys.executable).with_name("classifyd"), "status", "--config", place.root / "config.toml", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def progress(place):
    return json.loads(status(place, "--json"))["daemon"]["progress"]


def test_a_large_file_is_told_with_its_splits_records_rate_and_time_left(place):
    here = place(tasks=("slow",), split_seconds=0.2, listen="127.0.0.1:0")
    process = here.start(more={"SLOW_SECONDS": "0.001"})
    here.drop("large.jsonl", "".join(json.dumps({"text": "x" * 200}) + "\n" for _ in range(RECORDS)))
    seen = []

    def measured():
        seen.extend(progress(here))
        return seen and seen[-1]["seconds_left"] is not None

    wait_until(measured, place=here)
    text = status(here)
    page = status(here, "--page").strip()
    address, _, token = page.partition("/#token=")
    told = [
        json.load(urlopen(Request(f"{address}/api/status", headers=headers), timeout=20))["progress"]
        for headers in ({}, {"Authorization": f"Bearer {token}"})
    ]

    one = seen[-1]
    assert ("in", "large.jsonl", "annotating") == (one["inbox"], one["file"], one["stage"])
    assert 0 < one["splits_done"] < one["splits"]
    assert 0 < one["records"] < RECORDS
    assert 0 < one["share"] < 1
    assert one["records_per_second"] > 0
    assert all(early["seconds_left"] is None for early in seen if not early["splits_done"])
    assert "large.jsonl" in text
    assert "time left" in text
    assert [None, "large.jsonl"] == [one["file"] for [one] in told]

    wait_until(lambda: "large.jsonl.jsonl" in here.files("out"), seconds=180, place=here)
    wait_until(lambda: not progress(here), place=here)
    assert 0 == here.stop(process)
