"""Whole runs of the real daemon: what goes in comes out, once, labelled, and sorted as asked."""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from daemons import wait_until


def test_files_are_labelled_and_moved_to_done(place):
    here = place(tasks=("shouting", "capitals"))
    here.drop("a.txt", "HELLO WORLD")
    here.drop("b.jsonl", '{"text": "quiet", "k": 1}\n{"text": "LOUD", "k": 2}\n')

    assert 0 == here.once()

    (record,) = here.records("a.txt.jsonl")
    assert "in/a.txt.jsonl#0" == record["id"]
    assert ("classifyd/1", "a.txt", 0, "HELLO WORLD") == tuple(record[k] for k in ("schema", "source", "index", "text"))
    assert "loud" == record["annotations"]["shouting"]["label"]
    assert [{"start": 0, "end": 5, "label": "WORD", "text": "HELLO", "score": 0.5}] == record["annotations"][
        "capitals"
    ]["spans"]
    assert {} == record["errors"]
    assert [("calm", 1), ("loud", 2)] == [
        (r["annotations"]["shouting"]["label"], r["meta"]["k"]) for r in here.records("b.jsonl.jsonl")
    ]
    assert {"a.txt", "b.jsonl"} == here.files("done")
    assert set() == here.files("in")
    assert [] == here.claimed()
    assert [] == list((here.root / "state/parts").glob("*"))
    assert [] == [p for p in (here.root / "out/.classifyd").rglob("*") if p.is_file()]


def test_single_records_sort_themselves_by_label_and_tables_do_not(place):
    here = place(done="done/{shouting}")
    here.drop("a.txt", "HELLO")
    here.drop("b.txt", "hello")
    here.drop("c.jsonl", '{"text": "HELLO"}\n{"text": "hello"}\n')

    assert 0 == here.once()

    assert {"loud/a.txt", "calm/b.txt", "unlabelled/c.jsonl"} == here.files("done")


def test_done_inputs_are_deleted_if_so_configured(place):
    here = place(done="delete")
    here.drop("a.txt", "hello")

    assert 0 == here.once()

    assert {"a.txt.jsonl"} == here.files("out")
    assert set() == here.files("in") | here.files("done")


def test_subfolders_are_mirrored_and_names_never_collide(place):
    here = place(more="recursive = true")
    here.drop("sub/a.txt", "one")
    here.drop("a.txt", "two")
    assert 0 == here.once()
    here.drop("a.txt", "three")
    assert 0 == here.once()

    assert {"sub/a.txt.jsonl": "one", "a.txt.jsonl": "two", "a.txt.1.jsonl": "three"} == {
        name: here.records(name)[0]["text"] for name in here.files("out")
    }
    assert {"sub/a.txt", "a.txt", "a.1.txt"} == here.files("done")


def test_a_large_file_is_cut_and_comes_out_in_order(place):
    here = place(workers=2, split_seconds=0.01)
    rows = [{"text": f"row {number}", "n": number} for number in range(20_000)]
    here.drop("rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    assert 0 == here.once()

    assert '"event": "cut"' in here.log()
    records = here.records("rows.jsonl.jsonl")
    assert [(n, n, f"in/rows.jsonl.jsonl#{n}") for n in range(20_000)] == [
        (r["index"], r["meta"]["n"], r["id"]) for r in records
    ]


def test_a_large_compressed_file_is_spooled_and_comes_out_in_order(place):
    here = place(split_seconds=0.05)
    texts = [random.Random(number).randbytes(40).hex() for number in range(400)]
    here.drop("rows.jsonl.gz", gzip.compress("".join(json.dumps({"text": text}) + "\n" for text in texts).encode()))

    assert 0 == here.once()

    assert '"reader": "spool"' in here.log()
    assert texts == [record["text"] for record in here.records("rows.jsonl.gz.jsonl")]


def test_inputs_are_left_in_place_where_asked_and_never_labelled_twice(place):
    here = place(done=None, more='take = "leave"')
    for folder in ("new", "cur", "tmp"):
        (here.root / "in" / folder).mkdir()
    (here.root / "in/new/1.host").write_text("Subject: hi\n\nHello there.\n")
    assert 0 == here.once()
    (here.root / "in/new/1.host").rename(here.root / "in/cur/1.host:2,S")
    assert 0 == here.once()
    (here.root / "in/new/2.host").write_text("Subject: ho\n\nHELLO.\n")
    assert 0 == here.once()

    assert {"new/1.host.jsonl", "new/2.host.jsonl"} == here.files("out")
    assert {"cur/1.host:2,S", "new/2.host"} == here.files("in")
    assert not (here.root / "in/.classifyd").exists(), "a folder that is read-only would have to be written"


def test_a_dropped_file_is_answered_within_two_seconds_of_its_rest(place):
    here = place()
    process = here.start()
    wait_until(lambda: '"event": "started"' in here.log(), place=here)
    seconds = []
    for number in range(5):
        here.drop(f"{number}.txt", "hello")
        began = time.monotonic()
        wait_until(lambda number=number: f"{number}.txt.jsonl" in here.files("out"), place=here)
        seconds.append(time.monotonic() - began)

    assert 0 == here.stop(process)
    assert sorted(seconds)[2] < 0.2 + 2, f"median of {seconds}"


def test_everything_works_without_events_only_later(place):
    here = place(daemon="events = false")
    process = here.start()
    wait_until(lambda: '"event": "started"' in here.log(), place=here)
    here.drop("a.txt", "hello")

    wait_until(lambda: "a.txt.jsonl" in here.files("out"), place=here)
    assert 0 == here.stop(process)


def test_small_files_are_answered_while_a_large_one_is_worked_through(place):
    here = place(tasks=("slow",), workers=2, split_seconds=0.2)
    process = here.start(more={"SLOW_SECONDS": "0.002"})
    here.drop("large.jsonl", "".join(json.dumps({"text": "x" * 800}) + "\n" for _ in range(10_000)))
    wait_until(lambda: '"event": "cut"' in here.log(), place=here)
    here.drop("small.txt", "hello")
    wait_until(lambda: "small.txt.jsonl" in here.files("out"), seconds=10, place=here)

    assert "large.jsonl.jsonl" not in here.files("out")
    wait_until(lambda: "large.jsonl.jsonl" in here.files("out"), place=here)
    assert 0 == here.stop(process)


def test_termination_finishes_running_jobs_and_loses_nothing(place):
    here = place(tasks=("slow",))
    process = here.start(more={"SLOW_SECONDS": "0.3"})
    for number in range(12):
        here.drop(f"{number}.txt", "hello")
    wait_until(here.claimed, place=here)

    assert 0 == here.stop(process)
    assert '"event": "stopped"' in here.log()
    assert 0 == here.once(more={"SLOW_SECONDS": "0"})
    assert {f"{number}.txt.jsonl" for number in range(12)} == here.files("out")


def test_a_second_daemon_with_the_same_state_is_refused_at_once(place):
    here = place()
    process = here.start()
    wait_until(lambda: '"event": "started"' in here.log(), place=here)

    assert 69 == here.once()
    assert "another daemon is running" in here.log()
    assert 0 == here.stop(process)


def test_observers_are_told_of_each_file(place):
    here = place()
    told = here.root / "told"
    process = here.start(more={"TOLD": str(told)})
    here.drop("a.txt", "hello")
    here.drop("b.bin", b"\0\1\2\3" * 100)

    wait_until(lambda: told.exists() and 2 == len(told.read_text().splitlines()), place=here)
    assert {"published a.txt", "quarantined b.bin"} == set(told.read_text().splitlines())
    assert 0 == here.stop(process)


def test_the_daemon_process_imports_no_plugin_and_no_runtime(tmp_path):
    code = (
        "import sys, classifyd.service, classifyd.cli.run\n"
        "heavy = {'numpy', 'onnxruntime', 'tokenizers', 'torch', 'transformers', 'pyarrow', 'classifyd_bert',"
        " 'classifyd_spam', 'classifyd_topic', 'classifyd_ner', 'trouble'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)

    assert "[]" == result.stdout.strip()


def test_the_running_daemon_has_loaded_no_runtime_and_stays_small(place):
    here = place()
    process = here.start()
    here.drop("a.txt", "hello")
    wait_until(lambda: "a.txt.jsonl" in here.files("out"), place=here)
    mapped = Path(f"/proc/{process.pid}/maps").read_text()
    status = Path(f"/proc/{process.pid}/status").read_text()

    assert "onnxruntime" not in mapped
    assert "numpy" not in mapped
    (peak,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak < 80 * 1024, f"{peak} KiB"
    assert 0 == here.stop(process)


def test_names_with_newlines_and_broken_bytes_and_of_full_length_pass(place):
    here = place()
    strange = [b"new\nline.txt", b"caf\xe9.txt", b"n" * 251 + b".txt", "ünïcode \u202e.txt".encode()]
    for name in strange:
        here.drop(os.fsdecode(name), "hello")

    assert 0 == here.once()

    assert 4 == len(here.files("out"))
    assert set(map(os.fsdecode, strange)) == here.files("done")
    sources = {json.loads(path.read_text())["source"] for path in (here.root / "out").glob("*.jsonl")}
    assert {r"new\nline.txt", r"caf\xe9.txt"} < sources


def test_a_changed_configuration_is_taken_up_on_sighup_and_a_bad_one_is_not(place):
    here = place()
    process = here.start()
    wait_until(lambda: '"event": "started"' in here.log(), place=here)
    settings = here.root / "config.toml"
    good = settings.read_text()

    settings.write_text(good.replace('["shouting"]', '["shoutin"]'))
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: "reload_failed" in here.log(), place=here)
    here.drop("before.txt", "hello")
    wait_until(lambda: "before.txt.jsonl" in here.files("out"), place=here)

    settings.write_text(good.replace('output = "out"', 'output = "elsewhere"'))
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: '"event": "reloaded"' in here.log(), place=here)
    here.drop("after.txt", "hello")
    wait_until(lambda: "after.txt.jsonl" in here.files("elsewhere"), place=here)

    assert 0 == here.stop(process)
    assert {"before.txt", "after.txt"} == here.files("done")
    assert 1 == here.starts()
