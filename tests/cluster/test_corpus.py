"""`classifyd label --engine ray`: a corpus at rest, all of it once, whatever becomes of the driver or of nodes."""

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import rows
from daemons import wait_until

CLASSIFYD = str(Path(sys.executable).with_name("classifyd"))


class Corpus:
    """A folder of inputs, and the command that labels it."""

    def __init__(self, here, nodes, tasks):
        self.here = nodes.give(here)
        self.tasks = [word for task in tasks for word in ("--task", task)]
        (here.root / "corpus").mkdir()

    def file(self, name, content):
        path = self.here.root / "corpus" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def begin(self, *sources, engine="ray", target="out", **more):
        words = [CLASSIFYD, "label", "--engine", engine, "--config", "config.toml", *self.tasks, "--format", "same"]
        log = (self.here.root / "label.log").open("ab")
        with log:
            return subprocess.Popen(
                [*words, "--output", f"{target}", *(sources or ["corpus"])],
                cwd=self.here.root,
                env=self.here.environment(more),
                stdout=log,
                stderr=log,
            )

    def label(self, *sources, timeout=200, **options):
        process = self.begin(*sources, **options)
        try:
            return process.wait(timeout)
        finally:
            process.kill()

    def outputs(self, target="out"):
        root = self.here.root / target
        found = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        return {name: data for name, data in found.items() if not name.startswith(".") and name != "manifest.json"}

    def manifest(self):
        return json.loads((self.here.root / "out/manifest.json").read_text())

    def log(self):
        return (self.here.root / "label.log").read_text(errors="replace")


@pytest.fixture
def corpus(two_nodes, place):
    return lambda *tasks: Corpus(place(tasks=tasks), two_nodes, tasks)


def test_each_input_is_answered_as_without_a_cluster_and_the_manifest_counts_it(corpus):
    here = corpus("shouting")
    here.file("a.jsonl", rows("HELLO", "hello"))
    here.file("sub/b.csv", "id,text\n1,HELLO\n2,please CRASH\n3,hello\n")
    here.file("c.jsonl", '{"text": "one"}\nnot json\n{"text": "three"}\n')
    here.file("bad.csv.gz", b"no gzip at all")

    assert 1 == here.label(), here.log()

    found, manifest = here.outputs(), here.manifest()
    assert {"a.jsonl.jsonl", "sub/b.csv", "c.jsonl.jsonl"} == set(found)
    table = found["sub/b.csv"].decode().splitlines()
    assert ["1", "2", "3"] == [line.split(",")[0] for line in table[1:]]
    assert "the worker died on it" in table[2]
    assert [False, True, False] == [bool(json.loads(line)["errors"]) for line in found["c.jsonl.jsonl"].splitlines()]
    assert {name: hashlib.sha256(data).hexdigest() for name, data in found.items()} == {
        one["output"]: one["sha256"] for one in manifest["outputs"]
    }
    assert (8, 2) == (manifest["records"], manifest["errors"])
    assert ["UnreadableFile"] == [one["type"] for one in manifest["failed"]]
    (here.here.root / "alone").mkdir()
    here.label("corpus/a.jsonl", "corpus/c.jsonl", engine="local", target="alone/")
    assert here.outputs("alone") == {name: found[name] for name in ("a.jsonl.jsonl", "c.jsonl.jsonl")}


def test_after_its_driver_was_killed_only_what_is_missing_is_labelled(corpus):
    here = corpus("slow")
    for number in range(12):
        here.file(f"{number:02}.jsonl", rows(*(f"text {number} {row}" for row in range(100))))
    slow = {"SLOW_SECONDS": "0.01"}
    first = here.begin(**slow)
    wait_until(lambda: len(here.outputs()) >= 3, seconds=120)
    first.send_signal(signal.SIGKILL)
    first.wait()
    receipts = list((here.here.root / "out/.classifyd/done").iterdir())
    before = {json.loads(path.read_text())["output"]: None for path in receipts}
    times = {name: (here.here.root / "out" / name).stat().st_mtime_ns for name in before}

    assert 0 == here.label(**slow), here.log()

    assert times == {name: (here.here.root / "out" / name).stat().st_mtime_ns for name in before}
    assert 12 == len(here.outputs()) == len(here.manifest()["outputs"])
    assert 1200 == here.manifest()["records"]
    assert f"12 of 12 files labelled, {len(before)} of them before: 1200 records" in here.log()


def test_a_node_that_leaves_costs_no_record_of_a_corpus(corpus, two_nodes):
    here = corpus("slow")
    for number in range(10):
        here.file(f"{number:02}.jsonl", rows(*(f"text {number} {row}" for row in range(100))))
    process = here.begin(SLOW_SECONDS="0.01")
    wait_until(lambda: len(here.outputs()) >= 2, seconds=120)
    two_nodes.kill(two_nodes.nodes[0])
    two_nodes.add()

    assert 0 == process.wait(200), here.log()
    assert (1000, 0) == (here.manifest()["records"], here.manifest()["errors"])
    for number in range(10):
        answers = [json.loads(line) for line in here.outputs()[f"{number:02}.jsonl.jsonl"].splitlines()]
        assert [f"text {number} {row}" for row in range(100)] == [answer["text"] for answer in answers]


@pytest.mark.trial
@pytest.mark.timeout(600)
def test_an_input_that_takes_its_actor_along_each_time_is_given_up_and_no_other(corpus):
    here = corpus("shouting")
    here.file("guilty.jsonl", rows("one", "please TAKE ALL"))
    here.file("other.jsonl", rows("HELLO"))

    assert 1 == here.label(timeout=500), here.log()

    assert {"other.jsonl.jsonl"} == set(here.outputs())
    [failed] = here.manifest()["failed"]
    assert ("NodeEnded", True) == (failed["type"], "ended 10 times over it" in failed["message"])
    print("10 actors lost to one input, 1 other labelled")
