"""The daemon on a cluster of Ray: the same answers, whatever becomes of nodes and actors."""

import json
import os
import re
import signal
import time

import pytest
from clusters import section
from daemons import descendants, wait_until


def rows(*texts):
    return "".join(json.dumps({"text": text}) + "\n" for text in texts)


def events(here, name):
    found = [json.loads(line) for line in here.log().splitlines() if line.startswith("{")]
    return [event for event in found if event["event"] == name]


def on(cluster, here, **options):
    config = here.root / "config.toml"
    config.write_text(config.read_text() + section(cluster.address, **options))
    return here


@pytest.mark.parametrize("files", ["shared", "objects"])
def test_jobs_run_on_the_nodes_and_the_answers_are_those_of_local_workers(cluster, place, files):
    nodes = cluster(2)
    here = on(nodes, place(workers=0), files=files)
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
    assert "b.csv.gz" in here.files("quarantine")
    assert {node.name for node in nodes.nodes} == {event["node"] for event in events(here, "actor_begun")}
    assert {event["node"] for event in events(here, "worker_died")} <= {node.name for node in nodes.nodes}
    assert [] == here.claimed()
