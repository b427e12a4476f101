"""A daemon outside the cluster, by ray://: it does the same work, and ends when the cluster is gone for good.

The server fails the first time it is asked; the daemon asks again.
"""

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
from clusters import begun, events, on_cluster, rows
from daemons import descendants, wait_until
from nursery import PLUGIN

FAILS_ONCE = """
from ray.util.client.server import proxier, server

begin = proxier.start_ray_client_server

def fail_once(*args, **options):
    proxier.start_ray_client_server = begin
    started = begin(*args, **options)
    started.process.kill()
    started.process.wait()
    return started

proxier.start_ray_client_server = fail_once
server.main()
"""
"""A server whose first process for one who joins dies at its birth, as by the race of a fork beside gRPC's threads."""

ENDS_ONE = """
import sys
import time
from pathlib import Path

from classifyd import config, logs
from classifyd.jobs import Inspect
from classifyd.offers import Admission
from classifyd.workers import Terms
from classifyd.workers.cluster import Cluster
from classifyd.workers.demands import Demands

logs.configure("json", "info")
found = config.load(Path("config.toml"), {})
cluster = Cluster(found.workers)
cluster.fit(found.daemon)
crumb = str(Path("crumb").absolute())
process = cluster.hire(Terms(), Demands.here(Admission()), Path())(0, crumb)
assert process.run(1, Inspect(breadcrumb=crumb), 60).offers
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
process.end()
print(time.monotonic() - began, cluster.lost, len(cluster.nodes()), flush=True)
sys.stdin.readline()
cluster.close()
"""
"""What the main loop asks of a cluster, once while its server stands still."""

TEXTS = [f"row {number} {'x' * 400}" for number in range(2000)]


@pytest.fixture
def server(tmp_path):
    """A cluster with the server that takes such daemons, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with begun(1, os.environ, tmp_path / "cluster.log") as nodes, (tmp_path / "server.log").open("wb") as log:
        where = ["--address", nodes.address, "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(
            [sys.executable, "-c", FAILS_ONCE, "--mode", "proxy", *where],
            # A fork that only begins another program needs none of gRPC's handlers, which can crash it.
            env={**os.environ, "PYTHONPATH": str(PLUGIN), "GRPC_ENABLE_FORK_SUPPORT": "0"},
            stdout=log,
            stderr=log,
        )
        wait_until(lambda: not socket.socket().connect_ex(("127.0.0.1", port)))
        yield process, f"ray://127.0.0.1:{port}"
        process.kill()
        process.wait()


@pytest.mark.timeout(400)
@pytest.mark.filterwarnings("ignore:unclosed <socket")
def test_a_daemon_outside_the_cluster_works_and_ends_when_it_is_gone_for_good(place, server):
    process, address = server
    here = place(tasks=("slow",), workers=1, split_seconds=0.3)
    config = here.root / "config.toml"
    alone = config.read_text()
    on_cluster(here, address)
    here.drop("a.txt", "hello")
    here.drop("rows.jsonl", rows(*TEXTS))
    daemon = here.start(more={"SLOW_SECONDS": "0.01", "RAY_CLIENT_RECONNECT_GRACE_PERIOD": "2"})
    wait_until(lambda: "a.txt.jsonl" in here.files("out"), seconds=180, place=here)
    process.kill()

    assert [event["error"] for event in events(here, "cluster_asked_again")]
    assert 69 == daemon.wait(120), here.log()
    assert f"[workers] the cluster at {address} is gone" in here.log()
    config.write_text(alone)
    assert 0 == here.once(), here.log()
    assert TEXTS == [record["text"] for record in here.records("rows.jsonl.jsonl")]


@pytest.mark.filterwarnings("ignore:unclosed <socket")
def test_while_the_server_stands_still_nothing_that_the_main_loop_asks_for_waits_for_it(place, server):
    process, address = server
    here = on_cluster(place(workers=1), address)
    with (here.root / "log").open("ab") as log:
        asks = subprocess.Popen(
            [sys.executable, "-c", ENDS_ONE],
            cwd=here.root,
            env=here.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    with asks:
        assert "ready\n" == asks.stdout.readline(), here.log()
        standing = [process.pid, *descendants(process.pid)]
        for pid in standing:
            os.kill(pid, signal.SIGSTOP)
        waking = threading.Timer(10, wake, [standing])
        waking.start()
        print(file=asks.stdin, flush=True)
        seconds, lost, nodes = asks.stdout.readline().split()
        waking.join()
        asks.communicate("\n", timeout=60)

    assert 0 == asks.returncode, here.log()
    assert float(seconds) < 1
    assert ("False", "1") == (lost, nodes)


def wake(pids):
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
