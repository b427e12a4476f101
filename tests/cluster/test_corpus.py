"""`classifyd label --engine ray`: a corpus at rest, all of it once, whatever becomes of the driver or of nodes."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
from clusters import NO_RAY, begun, on_cluster, rows, shadowing, without_classifyd
from daemons import wait_until

from classifyd import bundles

CLASSIFYD = str(Path(sys.executable).with_name("classifyd"))


class Corpus:
    """A folder of inputs, and the command that labels it, for a place that was given a cluster."""

    def __init__(self, here, tasks):
        self.here = here
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
    return lambda *tasks: Corpus(two_nodes.give(place(tasks=tasks)), tasks)


def test_each_input_is_answered_as_without_a_cluster_and_the_manifest_counts_it(corpus):
    here = corpus("shouting")
    here.file("a.jsonl", rows("HELLO", "hello"))
    here.file("sub/b.csv", "id,text\n1,HELLO\n2,please CRASH\n3,hello\n")
    here.file("c.jsonl", '{"text": "one"}\nnot json\n{"text": "three"}\n')
    here.file("bad.csv.gz", b"no gzip at all")
    pq.write_table(pa.table({"text": ["HELLO", "hello"]}), here.here.root / "corpus/d.parquet")

    assert 1 == here.label(), here.log()

    found, manifest = here.outputs(), here.manifest()
    assert {"a.jsonl.jsonl", "sub/b.csv", "c.jsonl.jsonl", "d.parquet"} == set(found)
    assert ["HELLO", "hello"] == pq.read_table(pa.BufferReader(found["d.parquet"])).column("text").to_pylist()
    table = found["sub/b.csv"].decode().splitlines()
    assert ["1", "2", "3"] == [line.split(",")[0] for line in table[1:]]
    assert "the worker died on it" in table[2]
    assert [False, True, False] == [bool(json.loads(line)["errors"]) for line in found["c.jsonl.jsonl"].splitlines()]
    assert {name: hashlib.sha256(data).hexdigest() for name, data in found.items()} == {
        one["output"]: one["sha256"] for one in manifest["outputs"]
    }
    assert (10, 2) == (manifest["records"], manifest["errors"])
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
    receipts = [json.loads(path.read_text()) for path in (here.here.root / "out/.classifyd/done").iterdir()]
    before = {receipt["output"]: None for receipt in receipts if receipt["sha256"]}
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


def test_a_record_that_hangs_costs_only_itself(two_nodes, place):
    here = Corpus(two_nodes.give(place(load_seconds=4, daemon="record_seconds = 1")), ("shouting",))
    here.file("a.jsonl", rows("HELLO", "please HANG", "hello"))

    assert 1 == here.label(), here.log()

    answers = [json.loads(line) for line in here.outputs()["a.jsonl.jsonl"].splitlines()]
    assert [False, True, False] == [bool(answer["errors"]) for answer in answers]
    assert "longer than its deadline" in answers[1]["errors"]["shouting"]["message"]


def test_an_actor_that_fails_to_start_costs_nothing(place, tmp_path):
    stillborn = tmp_path / "stillborn"
    stillborn.touch()
    with begun(1, {**os.environ, "STILLBORN": str(stillborn)}, tmp_path / "cluster.log") as nodes:
        here = Corpus(nodes.give(place()), ("shouting",))
        here.file("a.jsonl", rows("HELLO"))

        assert 0 == here.label(), here.log()

    assert not stillborn.exists()
    assert {"a.jsonl.jsonl"} == set(here.outputs())


def test_models_travel_to_nodes_that_do_not_see_their_folder(place, tmp_path):
    here = place(tasks=("spam",), workers=1)
    store = bundles.Store(here.root / "models")
    tiny.make_bundle(store, "spam", ("ham", "spam"))
    store.promote("spam", 1)
    with begun(1, dict(os.environ), tmp_path / "cluster.log", hidden=here.root / "models") as nodes:
        corpus = Corpus(nodes.give(here, files="objects"), ("spam",))
        corpus.file("a.jsonl", rows("buy now"))

        assert 0 == corpus.label(), corpus.log()

    [answer] = map(json.loads, corpus.outputs()["a.jsonl.jsonl"].splitlines())
    assert "spam@1" == answer["annotations"]["spam"]["model"]


# ---------------------------------------------------------------------- faults before anything is labelled


def refused(here, **options):
    """What the command says when it does nothing."""
    here.file("a.jsonl", rows("HELLO"))
    assert 69 == here.label(**options), here.log()
    assert {} == here.outputs()
    assert "Traceback" not in here.log()
    return here.log()


def test_without_ray_the_command_says_what_to_install(corpus):
    here = corpus("shouting")

    said = refused(here, PYTHONPATH=shadowing(here.here, ray=NO_RAY))

    assert 'install it with: pip install "classifyd[ray]"' in said


def test_from_outside_the_cluster_the_command_says_where_it_runs(place):
    here = Corpus(on_cluster(place(), "ray://127.0.0.1:9"), ("shouting",))
    here.file("a.jsonl", rows("HELLO"))

    assert 2 == here.label(), here.log()
    assert "Ray Data does not run through ray://; run the command on a machine of the cluster" in here.log()


def test_a_plugin_that_a_node_lacks_is_named_before_anything_is_labelled(place, tmp_path):
    with begun(1, {**os.environ, "PYTHONPATH": ""}, tmp_path / "cluster.log") as nodes:
        said = refused(Corpus(nodes.give(place()), ("shouting",)))

    assert f"node {nodes.nodes[0].name} lacks trouble 1.0; install it there" in said


def test_a_folder_that_is_another_one_on_a_node_is_named_before_anything_is_labelled(place, tmp_path):
    here = place()
    (here.root / "out").mkdir()
    with begun(1, dict(os.environ), tmp_path / "cluster.log", hidden=here.root / "out") as nodes:
        said = refused(Corpus(nodes.give(here), ("shouting",)))

    assert f"node {nodes.nodes[0].name} does not see the folder {here.root}/out/.classifyd" in said


def test_a_node_without_classifyd_is_named_before_anything_is_labelled(place, tmp_path):
    with begun(1, without_classifyd(tmp_path / "broken"), tmp_path / "cluster.log") as nodes:
        said = refused(Corpus(nodes.give(place()), ("shouting",)))

    assert f"node {nodes.nodes[0].name} cannot run classifyd" in said
    assert "this node has another classifyd" in said


def test_where_others_have_all_the_room_the_command_does_not_wait_without_end(two_nodes, place):
    here = two_nodes.give(place(workers=2), start_seconds=20)
    daemon = here.start()
    wait_until(lambda: here.starts() == 1, seconds=120, place=here)

    said = refused(Corpus(here, ("shouting",)))

    assert 0 == here.stop(daemon)
    assert "no actor has begun: no node had room for it, or could start it, within 20 seconds" in said


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
