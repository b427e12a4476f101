"""A cluster of Ray: joined, asked what room it has, and left. Nothing imports Ray unless the engine is Ray."""

import contextlib
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from classifyd.config import DaemonConfig, WorkersConfig
from classifyd.errors import UnavailableError
from classifyd.workers.demands import Demands
from classifyd.workers.keeper import Keeper
from classifyd.workers.parcels import Packing
from classifyd.workers.process import Process
from classifyd.workers.remote import Contract, RemoteProcess
from classifyd.workers.slots import Slot
from classifyd.workers.worker import Terms

log = structlog.get_logger()

ANSWER_SECONDS = 5.0
"""A head that runs answers at once; Ray itself would try for minutes, and then end the process."""
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""By this Ray takes the loopback address for a machine's own, as it does by itself where it runs on one alone."""
SHIFTS = 8
"""So many jobs an actor can have at a time: one of each shift, and the wish to end another's."""


@dataclass(frozen=True, slots=True)
class NodeLevel:
    """How a node fares: its actors, and the jobs that they have."""

    node: str
    actors: int
    jobs: int


class Cluster:
    """A connection, and the slots on it. UnavailableError if there is no Ray here, or no cluster there."""

    def __init__(self, config: WorkersConfig) -> None:
        self.config = config
        self._ray = _connected(config)
        # A worker dies with the thread that made it: this one lasts.
        self._hiring = ThreadPoolExecutor(1, "hires")
        self._slots: list[Slot] = []

    def fit(self, daemon: DaemonConfig) -> DaemonConfig:
        """The daemon's settings with the workers, and their memory, for which the cluster has room; slots are begun.

        UnavailableError if it has room for none.
        """
        config = self.config
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        asked = {"CPU": config.num_cpus, "GPU": config.num_gpus, **config.resources}
        if daemon.worker_memory_bytes:
            asked["memory"] = float(daemon.worker_memory_bytes)
        rooms = [(node, room) for node in nodes if (room := _room(node, asked)) > 0]
        count = daemon.workers or sum(room for _, room in rooms)
        if not count:
            there = {name: sum(node.get(name, 0) for node in nodes) for name in asked}
            raise UnavailableError(
                f"no node of the cluster has room for an actor, which asks for {_shown(asked)}; all {len(nodes)} nodes "
                f"together have {_shown(there)}. Ask for less in [workers], or add a node"
            )
        shares = [int(node["memory"]) // room for node, room in rooms if "memory" in node]
        memory = daemon.worker_memory_bytes or min(shares, default=0)
        self._open(count, memory)
        return replace(daemon, workers=count, worker_memory_bytes=memory)

    def hire(self, terms: Terms, demands: Demands, drafts: Path) -> Callable[[int, str], RemoteProcess]:
        """What begins a worker's process in the slot of its place."""
        terms = replace(terms, memory_bytes=terms.memory_bytes or None)
        packing = Packing(self._ray.put, drafts) if self.config.files == "objects" else None
        contract = Contract(terms, demands, packing, self._hired_here)
        return lambda place, crumb_path: RemoteProcess(self._slots[place], contract, crumb_path)

    @property
    def missing(self) -> str:
        """Why some slots have no actor yet; empty if all have one."""
        without = [slot for slot in self._slots if slot.lent is None]
        why = next((slot.problem for slot in without if slot.problem), "they have not answered yet")
        return f"{len(without)} of {len(self._slots)} actors have not begun: {why}" if without else ""

    def nodes(self) -> tuple[NodeLevel, ...]:
        """The nodes that have actors, by name."""
        lent = [(slot.lent.node, slot.jobs) for slot in self._slots if slot.lent is not None]
        actors = Counter(node for node, _ in lent)
        return tuple(NodeLevel(node, actors[node], sum(n for at, n in lent if at == node)) for node in sorted(actors))

    def close(self) -> None:
        """Give the actors back, and end what was started on this machine."""
        for slot in self._slots:
            slot.close()
        self._hiring.shutdown(wait=True)
        with contextlib.suppress(Exception), _handlers_kept():  # the cluster may be gone
            self._ray.shutdown()

    def _open(self, count: int, memory: int) -> None:
        """Have so many slots; those that ask for the same as before go on."""
        if len(self._slots) == count:
            return
        for slot in self._slots:
            slot.close()
        config = self.config
        options: dict[str, Any] = {
            "num_cpus": config.num_cpus,
            "num_gpus": config.num_gpus,
            "resources": dict(config.resources),
            "memory": memory or None,  # so that Ray counts what it cannot see: the actor's own worker
            "max_restarts": 0,  # a slot asks anew by itself; jobs that Ray did over would bypass the ledger
            "max_task_retries": 0,
            "max_concurrency": SHIFTS,
        }
        actor = self._ray.remote(Keeper).options(**options)
        self._slots = [Slot(number, actor.remote, config.start_seconds) for number in range(count)]

    def _hired_here(self, terms: Terms, crumb_path: str) -> Process:
        return self._hiring.submit(Process, terms, crumb_path).result()


# ---------------------------------------------------------------------- helpers, in the order used


def _connected(config: WorkersConfig) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # what labels mail reports to nobody
    if not config.address:
        os.environ.setdefault(LOOPBACK, "0")  # else all who reach this machine could talk to its parts
    try:
        import ray  # noqa: PLC0415  # only where the engine is Ray
    except ImportError as error:
        raise UnavailableError(
            f'[workers] engine = "ray": {error}; install it with: pip install "classifyd[ray]"'
        ) from error
    _try(config.address)
    options: dict[str, Any] = {"namespace": "classifyd", "log_to_driver": False, "configure_logging": False}
    if config.address:
        options["address"] = config.address
    else:
        options |= {
            "address": "local",
            "include_dashboard": False,
            "object_store_memory": config.object_store_bytes,
        }
    try:
        with _handlers_kept():
            ray.init(**options)
    except Exception as error:  # Ray raises whatever its parts do
        where = f"the cluster at {config.address}" if config.address else "a cluster on this machine"
        raise UnavailableError(f"[workers] {where} cannot be had: {_first(error)}") from error
    log.info("cluster_joined", address=config.address or "this machine", ray=ray.__version__)
    return ray


def _try(address: str) -> None:
    """UnavailableError if nobody answers at an address that names a host."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except OSError as error:
        raise UnavailableError(
            f"[workers] address {address}: nobody answers there ({error.strerror or error}); start the cluster's head, "
            "or mend the address"
        ) from error


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself, which the daemon has better use for."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            with contextlib.suppress(ValueError):  # not the main thread: then Ray has left them alone too
                signal.signal(number, handler)


def _room(node: Mapping[str, float], asked: Mapping[str, float]) -> int:
    """How many actors fit on a node; those that ask for nothing at all go one to a node."""
    return min((int(node.get(name, 0) / amount + 1e-9) for name, amount in asked.items() if amount > 0), default=1)


def _shown(resources: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {amount:g}" for name, amount in resources.items() if amount or name == "CPU")


def _first(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:3])}"[:600]
