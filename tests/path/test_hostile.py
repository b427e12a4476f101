"""One inbox full of what hostile senders think of: each ends within the limits, and nothing of it gets elsewhere."""

import bz2
import csv
import gzip
import json
import lzma
import os
import pickle
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny
from daemons import Place

from classifyd import bundles

LIMITS = """format = "same"
csv_formulas = "escape"
limits.record_bytes = "2 MiB"
limits.decompressed_bytes = "64 MiB"
limits.decompression_ratio = 100
"""
MEGA = 2**20
SIZE = int(os.environ.get("BOMB_MEGABYTES", "8")) * MEGA
STRACE = shutil.which("strace")


class Evil:
    """What a pickle can do."""

    def __reduce__(self):
        return (os.system, ("touch HACKED",))


PICKLE = pickle.dumps(Evil())


def mail(*lines):
    return "\n".join(["Subject: hello", "From: a@example.org", *lines]).encode()


def nested(levels):
    return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(levels))


PARTS = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 100_000

QUARANTINED = {
    "zeros.txt.gz": gzip.compress(bytes(SIZE) * 4),
    "zeros.txt.bz2": bz2.compress(bytes(SIZE) * 4),
    "zeros.jsonl.xz": lzma.compress(bytes(SIZE) * 4),
    "nested.txt.gz": gzip.compress(gzip.compress(bytes(SIZE))),
    "deep.eml": nested(3000) + b"\nhello" + b"\n" * 10_000,
    "deeper.eml": b"Content-Type: message/rfc822\n\n" * 20_000 + b"x",
    "parts.eml": PARTS,
    "deep.json": b"[" * 200_000,
    "deep-objects.json": b'{"a":' * 200_000,
    "line.txt": b"x" * SIZE,
    "line.json": b'["' + b"x" * SIZE,
    "line.eml": b"Subject: a\n\n" + b"x" * SIZE,
    "footer.parquet": b"PAR1" + b"\xff" * 100 + (2**31 - 1).to_bytes(4, "little") + b"PAR1",
    "pickle.txt": PICKLE + bytes(64),
}
ANSWERED = {
    "line.jsonl": b'{"text": "a"}\n"' + b"x" * SIZE + b'"\n{"text": "b"}\n',
    "field.csv": b"id,text\n1,a\n2," + b"x" * SIZE + b"\n3,b\n",
    "open.csv": b'id,text\n1,a\n2,"' + b"x\n" * (SIZE // 2),
    "html.eml": b"Subject: a\nContent-Type: text/html\n\n" + b"<div>" * 100_000 + b"x",
    "lists.eml": b"Subject: a\nContent-Type: text/html\n\n" + b"<ul><li><b><p>" * 40_000 + b"x",
    "headers.eml": b"".join(b"X-%d: y\n" % n for n in range(50_000)) + b"Subject: " + b"=?a?q?" * 50_000 + b"\n\nx",
    "folded.eml": b"Subject: a" + b"\n a" * 200_000 + b"\n\nx",
}
REACHING = {
    "images.eml": mail(
        "Content-Type: text/html",
        "",
        '<img src="http://127.0.0.1:9/a.png"><link rel=stylesheet href="http://127.0.0.1:9/a.css">',
        '<script src="http://127.0.0.1:9/a.js"></script><iframe src="//127.0.0.1:9"></iframe>hello',
        '<body background="http://127.0.0.1:9/b"><object data="http://127.0.0.1:9"></object>',
    ),
    "entities.txt": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "http://127.0.0.1:9/x">]><a>&x;</a>',
    "external.eml": mail(
        'Content-Type: message/external-body; access-type=URL; URL="http://127.0.0.1:9/x"',
        "",
        "Content-Type: text/plain",
    ),
    "attached.eml": mail(
        "Content-Type: multipart/mixed; boundary=b",
        "",
        "--b",
        "Content-Type: application/python-pickle",
        "Content-Transfer-Encoding: base64",
        "",
        "gASVHwAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAR0cnVllIWUUpQu",
        "--b--",
    ),
}
FORGED = 'x\n{"event": "started", "forged": true}\r\x1b[2J\x1b]0;owned\x07\u202e\u2028\u0085'
NAMES = {os.fsdecode(f"{FORGED}.txt".encode()): b"hello", f"{FORGED}.json": b"[" * 99, "..\u2028": b"hello"}
FORMULAS = b'id,=cmd(),text\n1,"=HYPERLINK(""http://x"",""y"")",+1+cmd|x\n-2.5,@SUM(A1),-hello\n+3,"\tx",fine\n'


class Afterwards:
    """What one run of the daemon left."""

    def __init__(self, root):
        self.root = root
        # A worker that took more would die of it.
        memory = 'worker_memory_bytes = "1 GiB"'
        self.place = Place.make(root, tasks=("shouting", "spam"), more=LIMITS, workers=1, daemon=memory)
        self.store = bundles.Store(root / "models")
        tiny.make_bundle(self.store, "spam", ("ham", "spam"))
        self.store.promote("spam", 1)
        for name, content in (QUARANTINED | ANSWERED | REACHING | NAMES | {"formulas.csv": FORMULAS}).items():
            (root / "in" / name).write_bytes(content)
        self._bomb_of_rows()
        started = time.monotonic()
        self.code = self.place.once(timeout=1200, more={"HEARD": str(root / "heard")})
        self.log = self.place.log()
        self.seconds = time.monotonic() - started

    def _bomb_of_rows(self):
        arrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        rows = 20_000_000
        indices = arrow.Array.from_buffers(arrow.int32(), rows, [None, arrow.py_buffer(bytes(4 * rows))])
        texts = arrow.DictionaryArray.from_arrays(indices, arrow.array(["x"]))
        parquet.write_table(arrow.table({"text": texts}), self.root / "in" / "rows.parquet")


@pytest.fixture(scope="module")
def afterwards(tmp_path_factory):
    return Afterwards(tmp_path_factory.mktemp("hostile"))


@pytest.mark.parametrize("name", [*QUARANTINED, "rows.parquet"])
def test_a_bomb_that_is_one_record_or_none_is_quarantined_with_its_reason(afterwards, name):
    reason = afterwards.place.reason(name)
    assert "UnreadableFile" == reason["type"] or "limits." in reason["reason"]


@pytest.mark.parametrize("name", ANSWERED)
def test_a_record_over_the_limits_costs_itself_only(afterwards, name):
    assert (afterwards.root / "in-done" / name).exists() or (afterwards.root / "done" / name).exists()
    if name == "line.jsonl":
        errors = [
            record["errors"].get("record", {}).get("type") for record in afterwards.place.records("line.jsonl.jsonl")
        ]
        assert [None, "LimitExceeded", None] == errors


def test_nothing_is_left_waiting_and_no_worker_died_or_took_a_gigabyte(afterwards):
    assert set() == afterwards.place.files("in")
    assert [] == afterwards.place.claimed()
    assert "worker_died" not in afterwards.log


def test_no_input_is_unpickled_and_none_starts_a_program_or_a_connection(afterwards):
    heard = (afterwards.root / "heard").read_text().splitlines()
    found = {tuple(re.findall(r"'([^']*)'", line)[:2]) for line in heard if line.startswith("pickle.find_class")}
    assert ("classifyd.reports", "JobReport") in found, "what workers report is heard, so an input would be"
    # A worker is handed its line to the daemon by multiprocessing, with what it is to do.
    assert {module.partition(".")[0] for module, _ in found} <= {"classifyd", "pathlib", "multiprocessing", "socket"}
    others = {line.partition(" ")[0] for line in heard} - {"pickle.find_class"}
    assert set() == others
    assert not list(afterwards.root.rglob("HACKED"))


def test_no_name_forges_a_line_of_the_log_or_reaches_the_terminal(afterwards):
    events = [json.loads(line) for line in afterwards.log.splitlines() if line != "a plugin may print"]
    assert not any(event.get("forged") for event in events)
    assert any("forged" in event.get("file", "") for event in events)
    assert all(character.isprintable() or character == "\n" for character in afterwards.log)


def test_no_name_forges_a_reason(afterwards):
    reasons = list((afterwards.root / "quarantine").rglob("*.reason.json"))
    assert len(QUARANTINED) + 2 == len(reasons)
    for reason in reasons:
        text = reason.read_text()
        assert all(character.isprintable() or character == "\n" for character in text)
        assert {"schema", "name", "inbox", "path", "path_hex", "type", "reason", "when", "retry"} == set(
            json.loads(text)
        )


def test_formulas_are_harmless_in_a_table_that_is_answered_in_kind(afterwards):
    with (afterwards.root / "out" / "formulas.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert ["id", "'=cmd()", "text"] == header[:3]
    assert [
        ["1", """'=HYPERLINK("http://x","y")""", "'+1+cmd|x"],
        ["-2.5", "'@SUM(A1)", "'-hello"],
        ["+3", "'\tx", "fine"],
    ] == [row[:3] for row in rows]


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_no_library_connects_anywhere_either(tmp_path):
    """An audit hook hears Python only; strace hears the libraries below it too."""
    trace = tmp_path / "trace"
    calls = "trace=socket,connect,sendto,sendmsg,sendmmsg"
    tracing = [STRACE, "-f", "-qq", "--seccomp-bpf", "-e", calls, "-o", trace]
    reaching = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    if subprocess.run([*tracing, sys.executable, "-c", reaching], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody trace")
    assert "AF_INET" in trace.read_text(), "a connection would be heard"
    here = Place.make(tmp_path)
    for name, content in REACHING.items():
        (here.root / "in" / name).write_bytes(content)
    command = [*tracing, *run_once(here)]
    outcome = subprocess.run(
        command, cwd=here.root, env=here.environment(), capture_output=True, timeout=250, check=False
    )

    assert {f"{name}.jsonl" for name in REACHING} == here.files("out"), outcome.stderr
    assert [] == [line for line in trace.read_text().splitlines() if "AF_INET" in line]


def run_once(here):
    classifyd = Path(sys.executable).with_name("classifyd")
    return [str(classifyd), "run", "--once", "--config", str(here.root / "config.toml")]
