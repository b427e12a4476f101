"""The head's pod of the manifest, as namespaces of this machine: two containers that share what it says, no more."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from clusters import ENVIRONMENT, need_ray, on_cluster
from daemons import descendants, wait_until
from nursery import PLUGIN

MANIFEST = Path(__file__).parents[2] / "examples/ray/kuberay.yaml"
CLASSIFYD, RAY = (Path(sys.executable).with_name(name) for name in ("classifyd", "ray"))
APART = ["unshare", "--mount", "--ipc", "sh", "-c", 'mount -t tmpfs none /dev/shm && exec "$@"', "sh"]
"""A container's own memory to share."""
NEW_PROCESSES = ["unshare", "--pid", "--fork", "--mount-proc"]


@pytest.fixture
def head(tmp_path):
    """A head in a pod whose /tmp/ray is a volume (with room, in place of other pods); what gets into its namespaces."""
    need_ray()
    if subprocess.run([*NEW_PROCESSES, "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("only root may have processes see others of their own")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    volume = tmp_path / "volume"
    volume.mkdir()
    Path("/tmp/ray").mkdir(exist_ok=True)  # Ray's own
    mounted = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /tmp/ray && exec "$@"', str(volume)]
    start = [RAY, "start", "--head", f"--port={port}", "--node-ip-address=127.0.0.1", "--num-cpus=1", "--block"]
    with (tmp_path / "cluster.log").open("ab") as log:
        pod = subprocess.Popen(
            [*mounted, *NEW_PROCESSES, *APART, *start, "--include-dashboard=false"],
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": str(PLUGIN)},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until((volume / "ray_current_cluster").exists, seconds=120)
        yield ["nsenter", f"--target={descendants(pod.pid)[-1]}"]
    finally:
        for pid in (*descendants(pod.pid), pod.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        pod.wait()


def test_the_daemon_finds_the_heads_raylet_from_its_own_container(head, place):
    pod = yaml.safe_load(MANIFEST.read_text())["spec"]["headGroupSpec"]["template"]["spec"]
    enter = [*head, "--mount", *(["--pid"] if pod.get("shareProcessNamespace") else ["--", *NEW_PROCESSES])]
    here = on_cluster(place(workers=1), "auto")
    here.drop("a.txt", "HELLO")

    with (here.root / "log").open("ab") as log:
        code = subprocess.run(
            [*enter, *APART, CLASSIFYD, "run", "--once", "--config", here.root / "config.toml"],
            env=here.environment(ENVIRONMENT),
            stdout=log,
            stderr=log,
            timeout=200,
            check=False,
        ).returncode

    assert 0 == code, here.log()
    assert {"a.txt.jsonl"} == here.files("out")
