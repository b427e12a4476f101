"""A corpus behind URLs, on a cluster that the command itself starts: from a bucket to a bucket."""

import json
import subprocess
import sys
import time
from pathlib import Path

import bucket
import pytest
from bucket import Bucket
from clusters import need_ray, on_cluster
from daemons import descendants, wait_until

pytestmark = pytest.mark.filterwarnings("default")  # botocore and moto warn of themselves


@pytest.fixture
def s3(monkeypatch):
    """An empty bucket, and an environment that leads to it."""
    need_ray()
    server, endpoint = bucket.start()
    made = Bucket(endpoint)
    made.client().create_bucket(Bucket=bucket.BUCKET)
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(name, value)
    yield made
    server.stop()


def test_a_corpus_in_a_bucket_is_answered_in_a_bucket_and_nothing_of_ray_stays_behind(s3, place):
    here = on_cluster(place(), "", more='object_store_bytes = "100 MiB"')
    s3.put("in/a.jsonl", b'{"text": "HELLO"}\n{"text": "hello"}\n')
    s3.put("in/sub/b.csv", b"id,text\n1,HELLO\n")
    s3.put("in/_SUCCESS", b"")
    words = ["label", "--engine", "ray", "--config", "config.toml", "--task", "shouting", "--format", "same"]
    with (here.root / "label.log").open("wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("classifyd"), *words, "-o", f"{s3.url}/out", f"{s3.url}/in"],
            cwd=here.root,
            env=here.environment(),
            stdout=log,
            stderr=log,
        )
        below = set()
        try:
            while process.poll() is None:
                below |= set(descendants(process.pid))
                time.sleep(0.2)
        finally:
            process.kill()

    assert 0 == process.wait(), (here.root / "label.log").read_text()
    assert ["out/a.jsonl.jsonl", "out/manifest.json", "out/sub/b.csv"] == [
        key for key in s3.keys("out/") if "/.classifyd/" not in key
    ]
    answers = [json.loads(line) for line in s3.get("out/a.jsonl.jsonl").splitlines()]
    assert ["loud", "calm"] == [answer["annotations"]["shouting"]["label"] for answer in answers]
    assert 3 == json.loads(s3.get("out/manifest.json"))["records"]
    assert len(below) > 5  # what Ray started
    wait_until(lambda: not any(Path("/proc", str(pid)).exists() for pid in below))
