"""The daemon on a cluster of Ray: the same answers, whatever becomes of nodes and actors."""

import ipaddress
import json
import os
import random
import signal
import time
import urllib.request
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
from clusters import (
    NO_RAY,
    actors,
    begun,
    called,
    events,
    need_ray,
    on_cluster,
    refused,
    rows,
    shadowing,
)
from daemons import descendants, wait_until

from classifyd import bundles, config, status


@pytest.mark.parametrize("files", ["shared", "objects"])
def test_jobs_run_on_the_nodes_and_the_answers_are_those_of_local_workers(two_nodes, place, files):
    here = two_nodes.give(place(workers=0, split_seconds=0.2), files=files)
    texts = [f"row {number} {'x' * 100}" for number in range(2000)]
    texts[70] = "CRASH"
    here.drop("a.txt", "HELLO")
    here.drop("rows.jsonl", rows(*texts))
    here.drop("b.csv.gz", b"no gzip at all")

    assert 1 == here.once(), here.log()

    assert {"loud"} == {r["annotations"]["shouting"]["label"] for r in here.records("a.txt.jsonl")}
    records = here.records("rows.jsonl.jsonl")
    assert texts == [record["text"] for record in records]
    assert [70] == [record["index"] for record in records if record["errors"]]
    assert {"b.csv.gz", "b.csv.gz.reason.json"} == here.files("quarantine")
    assert {node.name for node in two_nodes.nodes} == {event["node"] for event in events(here, "actor_begun")}
    assert {event["node"] for event in events(here, "worker_died")} <= {node.name for node in two_nodes.nodes}
    assert [] == here.claimed()


def test_actors_go_where_there_is_what_they_ask_for(two_nodes, place):
    node = two_nodes.add(num_gpus=1, resources={"label": 1})
    asked = "num_cpus = 0.5\nnum_gpus = 0.5\nresources = {label = 0.25}"
    here = two_nodes.give(place(workers=0), more=asked)
    here.drop("a.txt", "HELLO")

    code = here.once()
    two_nodes.kill(node)

    assert 0 == code, here.log()
    assert {"a.txt.jsonl"} == here.files("out")
    assert [node.name, node.name] == [event["node"] for event in events(here, "actor_begun")]


@pytest.mark.timeout(500)
@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_a_cluster_that_was_started_here_answers_to_this_machine_alone_and_ends_with_the_daemon(place, end):
    need_ray()
    here = on_cluster(place(workers=1), "", more='object_store_bytes = "100 MiB"')
    here.drop("a.txt", "HELLO")
    daemon = here.start()
    wait_until(lambda: "a.txt.jsonl" in here.files("out"), seconds=120, place=here)
    below = descendants(daemon.pid)
    addresses = {address for pid in below for address in listening(pid)}
    assert any("raylet" in called(pid) for pid in below)
    if end == "stopped":
        assert 0 == here.stop(daemon)
    else:
        daemon.kill()

    assert {"127.0.0.1"} == addresses
    # Two agents of Ray's look for their head once more, for up to a minute or two, when it was killed.
    wait_until(lambda: not any(map(called, below)), seconds=240)


def listening(pid):
    """The addresses at which a process listens."""
    own = {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()}
    for kind in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in own:
                packed = bytes.fromhex(local.partition(":")[0])
                words = [packed[at : at + 4][::-1] for at in range(0, len(packed), 4)]  # each in the host's order
                found = ipaddress.ip_address(b"".join(words))
                yield str(getattr(found, "ipv4_mapped", None) or found)


@pytest.mark.parametrize("what", ["actor", "node"])
def test_what_leaves_in_the_middle_of_its_jobs_costs_no_record(two_nodes, place, what):
    here = two_nodes.give(place(tasks=("slow",), workers=2, split_seconds=0.3))
    texts = [f"row {number} {'x' * 400}" for number in range(1200)]
    here.drop("rows.jsonl", rows(*texts))
    daemon = here.start(more={"SLOW_SECONDS": "0.003"})
    wait_until(lambda: list((here.root / "state/parts").rglob("*.part")), place=here)
    leaving = two_nodes.nodes[0]
    if what == "node":
        two_nodes.kill(leaving)
    else:
        os.kill(actors(leaving)[0], signal.SIGKILL)
    wait_until(lambda: "rows.jsonl.jsonl" in here.files("out"), seconds=120, place=here)
    assert 0 == here.stop(daemon)

    assert texts == [record["text"] for record in here.records("rows.jsonl.jsonl")]
    assert all(record["errors"] == {} for record in here.records("rows.jsonl.jsonl"))
    assert [leaving.name] == [event["node"] for event in events(here, "actor_lost")]
    assert all(json.loads(line) for line in here.log().splitlines())  # Ray's own words on it, too
    assert {"rows.jsonl"} == here.files("done")


def test_a_record_that_takes_its_actor_along_each_time_costs_only_itself(two_nodes, place):
    here = two_nodes.give(place(workers=2))
    here.drop("rows.jsonl", rows("one", "please TAKE ALL", "three"))
    here.drop("other.txt", "HELLO")

    assert 0 == here.once(timeout=240), here.log()

    records = here.records("rows.jsonl.jsonl")
    assert [1] == [record["index"] for record in records if record["errors"]]
    assert "a node, or an actor on it, ended 10 times" in records[1]["errors"]["shouting"]["message"]
    assert [{}] == [record["errors"] for record in here.records("other.txt.jsonl")]


@pytest.mark.trial
def test_where_the_breadcrumb_goes_with_the_actor_the_input_is_quarantined_in_the_end(two_nodes, place):
    here = two_nodes.give(place(workers=2), files="objects")
    here.drop("rows.jsonl", rows("one", "please TAKE ALL", "three"))
    here.drop("other.txt", "HELLO")

    assert 1 == here.once(timeout=290), here.log()

    reason = here.reason("rows.jsonl")
    assert ("NodeEnded", True) == (reason["type"], "ended 10 times over it" in reason["reason"])
    assert [{}] == [record["errors"] for record in here.records("other.txt.jsonl")]
    print("10 actors lost to one input, 1 other labelled")


def test_after_the_daemon_was_killed_another_goes_on_with_the_same_nodes(two_nodes, place):
    here = two_nodes.give(place(tasks=("slow",), workers=2, split_seconds=0.3))
    texts = [f"row {number} {'x' * 400}" for number in range(1000)]
    here.drop("rows.jsonl", rows(*texts))
    daemon = here.start(more={"SLOW_SECONDS": "0.003"})
    wait_until(lambda: list((here.root / "state/parts").rglob("*.part")), place=here)
    here.kill_everything(daemon)
    kept = [pid for node in two_nodes.nodes for pid in actors(node)]
    # Its actors, and the workers that they kept, end with it: else there would be no room for the next one's.
    wait_until(lambda: not any(called(pid).startswith("ray::Keeper") for pid in kept))

    assert 0 == here.once(), here.log()
    assert texts == [record["text"] for record in here.records("rows.jsonl.jsonl")]


def test_bundles_and_whole_inputs_travel_by_digest_and_a_promoted_version_takes_over(two_nodes, place, tmp_path):
    store = bundles.Store(tmp_path / "models")
    for seed in (1, 2):
        tiny.make_bundle(store, "spam", ("ham", "spam"), seed=seed)
    store.promote("spam", 1)
    here = two_nodes.give(place(tasks=("spam",), workers=2, split_seconds=0.2, listen="127.0.0.1:0"), files="objects")
    daemon = here.start()
    wait_until(lambda: here.starts() == 1, seconds=120, place=here)
    dice = random.Random(1)
    texts = [f"buy {number} now {dice.randbytes(100).hex()}" for number in range(3000)]  # a table that is cut up
    pq.write_table(pa.table({"text": texts}), here.root / "rows.parquet", row_group_size=500)
    (here.root / "rows.parquet").rename(here.root / "in/rows.parquet")
    wait_until(lambda: "rows.parquet.jsonl" in here.files("out"), place=here)
    store.promote("spam", 2)
    wait_until(lambda: events(here, "taken_over"), seconds=120, place=here)
    here.drop("after.txt", "buy now")
    wait_until(lambda: "after.txt.jsonl" in here.files("out"), place=here)
    found = status.look(config.load(here.root / "config.toml", {}), time.time()).daemon.nodes
    page = json.loads((here.root / "state/status.json").read_text())["page"]
    with urllib.request.urlopen(f"{page}metrics") as answer:
        told = answer.read().decode()
    assert 0 == here.stop(daemon)

    assert events(here, "cut")[0]["splits"] > 1
    assert "SIGTERM received" not in here.log()
    records = here.records("rows.parquet.jsonl")
    assert texts == [record["text"] for record in records]
    assert {"spam@1"} == {record["annotations"]["spam"]["model"] for record in records}
    assert ["spam@2"] == [r["annotations"]["spam"]["model"] for r in here.records("after.txt.jsonl")]
    names = {node.name for node in two_nodes.nodes}
    assert names == {one.node for one in found}
    assert all(f'classifyd_node_actors{{node="{name}"}} 1.0' in told for name in names)


def test_a_hup_takes_the_daemon_from_local_workers_to_the_cluster(two_nodes, place):
    here = place(workers=2)
    daemon = here.start()
    wait_until(lambda: here.starts() == 1, place=here)
    two_nodes.give(here)
    daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: here.starts() == 2, seconds=120, place=here)
    here.drop("a.txt", "HELLO")
    wait_until(lambda: "a.txt.jsonl" in here.files("out"), place=here)

    assert 0 == here.stop(daemon)
    assert {node.name for node in two_nodes.nodes} == {event["node"] for event in events(here, "actor_begun")}


def test_when_the_head_is_gone_the_daemon_ends_and_the_next_goes_on_under_another_head(place, tmp_path):
    here = place(tasks=("slow",), workers=1, split_seconds=0.3)
    alone = (here.root / "config.toml").read_text()
    texts = [f"row {number} {'x' * 400}" for number in range(600)]
    here.drop("rows.jsonl", rows(*texts))
    with begun(1, os.environ, tmp_path / "cluster.log") as nodes:
        daemon = nodes.give(here).start(more={"SLOW_SECONDS": "0.01"})
        wait_until(lambda: list((here.root / "state/parts").rglob("*.part")), seconds=120, place=here)
    assert 0 != daemon.wait(120)
    wait_until(lambda: "GCS" in json.dumps(events(here, "printed")))  # Ray's last words
    assert all(json.loads(line) for line in here.log().splitlines())
    (here.root / "config.toml").write_text(alone)

    with begun(1, os.environ, tmp_path / "cluster.log") as nodes:
        assert 0 == nodes.give(here).once(), here.log()
    assert texts == [record["text"] for record in here.records("rows.jsonl.jsonl")]


# ---------------------------------------------------------------------- faults before the first claim


def test_a_plugin_that_a_node_lacks_is_named_before_the_first_claim(place, tmp_path):
    here = place(workers=1)
    with begun(1, {**os.environ, "PYTHONPATH": ""}, tmp_path / "cluster.log") as nodes:
        said = refused(nodes.give(here))

    assert f"node {nodes.nodes[0].name} lacks trouble 1.0; install it there" in said


def test_more_than_any_node_has_is_said_at_once(two_nodes, place):
    said = refused(two_nodes.give(place(workers=0), more="num_cpus = 3"))

    assert "no node of the cluster has room for an actor, which asks for CPU 3; all 3 nodes together have CPU 2" in said


def test_an_actor_that_never_finds_room_is_not_waited_for_without_end(two_nodes, place):
    said = refused(two_nodes.give(place(workers=3), start_seconds=20))

    assert "1 of 3 actors have not begun: no node had room for it, or could start it, within 20 seconds" in said


def test_an_address_at_which_nobody_answers_is_said(place):
    need_ray()
    here = on_cluster(place(), "127.0.0.1:9")

    assert "[workers] address 127.0.0.1:9: nobody answers there (Connection refused)" in refused(here)


def test_without_ray_it_is_said_what_to_install(place):
    here = on_cluster(place(), "")
    path = shadowing(here, ray=NO_RAY)

    assert 'install it with: pip install "classifyd[ray]"' in refused(here, PYTHONPATH=path)


def test_a_daemon_with_local_workers_does_not_import_ray(place):
    here = place()
    here.drop("a.txt", "hello")
    path = shadowing(here, ray=NO_RAY)

    assert 0 == here.once(more={"PYTHONPATH": path}), here.log()
