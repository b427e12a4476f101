"""A cluster of Ray for tests: a head without room for actors, and nodes that are processes of this machine.

Run as a script, it holds the cluster: a line on standard input, with what a node has, adds one; its end ends all. Tests
talk to it through `Nodes`, so that neither Ray nor its threads get into their own process.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from daemons import Place, descendants
from nursery import PLUGIN

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # The defaults take up to half a minute to see that a node is gone.
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "300",
    "RAY_health_check_timeout_ms": "500",
    "RAY_health_check_failure_threshold": "3",
    "RAY_enable_metrics_collection": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",  # a minute
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # loopback alone
}
CONFIG = """
[workers]
engine = "ray"
address = {address}
files = "{files}"
start_seconds = {start_seconds}
{more}
"""


@dataclass
class Node:
    """A node: its name in logs, and the processes that make it up."""

    name: str
    pids: list[int]

    def kill(self) -> None:
        """End it at once, as a machine that goes: its raylet, and all that runs below it."""
        for pid in [pid for own in self.pids for pid in (own, *descendants(own))]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


@dataclass
class Nodes:
    """A cluster whose nodes come and go."""

    process: subprocess.Popen[str]
    address: str
    nodes: list[Node] = field(default_factory=list)

    @classmethod
    def begin(cls, count: int, environment: Mapping[str, str], log: Path, hidden: Path | None = None) -> Self:
        """A cluster with so many nodes, of one CPU each; they find the same plugins as the daemons of tests.

        Where a folder is `hidden` they see another one, an empty one.
        """
        apart = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(hidden)]
        with log.open("ab") as file:
            process = subprocess.Popen(
                [*(apart if hidden else []), sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                env={"PYTHONPATH": str(PLUGIN), **environment, **ENVIRONMENT},
                start_new_session=True,
            )
        here = cls(process, json.loads(process.stdout.readline() or f'"{log.read_text()}"'))
        for _ in range(count):
            here.add()
        return here

    def give(self, here: Place, **options: Any) -> Place:
        """Have a place's daemons run their jobs here."""
        return on_cluster(here, self.address, **options)

    def add(self, **more: Any) -> Node:
        """One node more, of one CPU if nothing else is said."""
        self.process.stdin.write(json.dumps({"num_cpus": 1, **more}) + "\n")
        self.process.stdin.flush()
        self.nodes.append(Node(*json.loads(self.process.stdout.readline())))
        return self.nodes[-1]

    def kill(self, node: Node) -> None:
        self.nodes.remove(node)
        node.kill()

    def end(self) -> None:
        """End every process of it, whatever it is doing."""
        for pid in (*descendants(self.process.pid), self.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def called(pid: int) -> str:
    """The command line of a process; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def actors(node: Node) -> list[int]:
    """The processes of a node that keep workers."""
    return [pid for own in node.pids for pid in descendants(own) if called(pid).startswith("ray::Keeper")]


NO_RAY = "raise ImportError('No module named ray')"
"""The text of a module `ray` that is none."""


def without_classifyd(folder: Path) -> dict[str, str]:
    """An environment in which classifyd cannot be imported, as on a node that somebody forgot."""
    (folder / "classifyd").mkdir(parents=True)
    (folder / "classifyd/__init__.py").write_text("raise ImportError('this node has another classifyd')\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


def rows(*texts: str) -> str:
    """A table of texts."""
    return "".join(json.dumps({"text": text}) + "\n" for text in texts)


def events(here: Place, name: str) -> list[dict[str, Any]]:
    """What a daemon's log tells of one kind."""
    found = [json.loads(line) for line in here.log().splitlines() if line.startswith("{")]
    return [event for event in found if event["event"] == name]


@contextlib.contextmanager
def begun(count: int, environment: Mapping[str, str], log: Path, hidden: Path | None = None) -> Iterator[Nodes]:
    """A cluster that is gone afterwards; the test is skipped where there is no Ray, or where nothing can be hidden."""
    need_ray()
    if hidden and subprocess.run(["unshare", "--mount", "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("only root may have processes see another folder")
    nodes = Nodes.begin(count, environment, log, hidden)
    try:
        yield nodes
    finally:
        nodes.end()


def need_ray() -> None:
    """Skip the test where there is no Ray."""
    pytest.importorskip("ray", reason='Ray is not installed: pip install "classifyd[ray]"')


def section(address: str, *, files: str = "shared", start_seconds: float = 60, more: str = "") -> str:
    """The section of a configuration that has jobs run on the cluster at an address, whether or not there is one."""
    return CONFIG.format(address=json.dumps(address), files=files, start_seconds=start_seconds, more=more)


def on_cluster(here: Place, address: str, **options: Any) -> Place:
    """Have a place's daemons run their jobs on the cluster at an address."""
    config = here.root / "config.toml"
    config.write_text(config.read_text() + section(address, **options))
    return here


def shadowing(here: Place, **modules: str) -> str:
    """The PYTHONPATH on which a place's processes find modules of these texts before all others."""
    folder = here.root / "shadowing"
    folder.mkdir()
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    return os.pathsep.join([str(folder), here.environment()["PYTHONPATH"]])


def refused(here: Place, **more: str) -> str:
    """What the daemon says when it ends at the start; nothing was claimed."""
    here.drop("a.txt", "hello")
    assert 69 == here.once(more=more), here.log()
    assert {"a.txt"} == here.files("in")
    return here.log()


def hold() -> None:
    """Hold a cluster until standard input ends."""
    import ray.cluster_utils

    own = sys.stdout
    sys.stdout = sys.stderr  # Ray prints
    cluster = ray.cluster_utils.Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False},
    )
    print(json.dumps(cluster.address), file=own, flush=True)
    for line in sys.stdin:
        node = cluster.add_node(object_store_memory=80 * 2**20, **json.loads(line))
        pids = [process.process.pid for group in node.all_processes.values() for process in group]
        print(json.dumps([f"127.0.0.1/{node.node_id[:8]}", pids]), file=own, flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    hold()
