"""Inputs of a gigabyte that hold one thing, with the limits as they are by default: no worker grows with them."""

import gzip
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "path"))
from daemons import Place  # the tests of whole runs have it

GIGABYTES = float(os.environ.get("LINE_GIGABYTES", "1"))
PIECE = b"x" * 2**20
QUARANTINED = {"line.txt": b"", "line.eml": b"Subject: a\n\n", "line.json": b'["', "line": b"Subject: a\nFrom: b\n\n"}
ANSWERED = {"line.jsonl": b'{"text": "a"}\n"', "field.csv": b"id,text\n1,a\n2,", "open.csv": b'id,text\n1,a\n2,"'}


def write(path: Path, start: bytes) -> None:
    with path.open("wb") as file:
        file.write(start)
        for _ in range(int(GIGABYTES * 1024)):
            file.write(PIECE)


@pytest.mark.trial
@pytest.mark.timeout(3600)
def test_a_line_of_a_gigabyte_takes_no_gigabyte(tmp_path):
    here = Place.make(tmp_path, daemon='min_free_bytes = "1 MiB"', done="delete")
    for name, start in (QUARANTINED | ANSWERED).items():
        write(here.root / "in" / name, start)
    with gzip.open(here.root / "in" / "bomb.txt.gz", "wb", 1) as packed:
        for _ in range(int(GIGABYTES * 1024)):
            packed.write(PIECE)

    assert 1 == here.once(timeout=3000)

    quarantined = {name for name in here.files("quarantine") if not name.endswith(".reason.json")}
    assert {*QUARANTINED, "bomb.txt.gz"} == quarantined
    assert all("limits." in here.reason(name)["reason"] for name in quarantined)
    assert {f"{name}.jsonl" for name in ANSWERED} == here.files("out")
    for name in ANSWERED:
        kinds = [record["errors"].get("record", {}).get("type") for record in here.records(f"{name}.jsonl")]
        assert [None, kinds[1]] == kinds
        assert kinds[1] is not None
    assert "worker_died" not in here.log()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    subprocess.run(["rm", "-rf", here.root / "quarantine"], check=True)
    assert peak < 2**30
    told = f"{len(quarantined)} quarantined, {len(ANSWERED)} answered; the largest process {peak // 2**20} MiB"
    print(f"{len(quarantined) + len(ANSWERED)} inputs of {GIGABYTES:g} GiB: {told}")
