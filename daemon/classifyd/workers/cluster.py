"""A cluster of Ray: joined, asked what room it has, and left. Nothing imports Ray unless the engine is Ray."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from classifyd.config import DaemonConfig, WorkersConfig
from classifyd.errors import UnavailableError
from classifyd.offers import Admission
from classifyd.workers import NodeLevel
from classifyd.workers.demands import Demands, Lack
from classifyd.workers.joining import joined
from classifyd.workers.keeper import Keeper
from classifyd.workers.parcels import Packing
from classifyd.workers.process import Process
from classifyd.workers.raised import told
from classifyd.workers.remote import Contract, RemoteProcess
from classifyd.workers.slots import Slot, late
from classifyd.workers.visiting import visited
from classifyd.workers.worker import Terms

SHIFTS = 8
"""So many jobs an actor can have at a time: one of each shift, and the wish to end another's."""


class Cluster:
    """A connection, and the slots on it. UnavailableError if there is no Ray here, or no cluster there."""

    def __init__(self, config: WorkersConfig) -> None:
        self.config = config
        self._left = threading.Event()
        self._ray = joined(config, self._left)
        # A worker dies with the thread that made it: this one lasts.
        self._hiring = ThreadPoolExecutor(1, "hires")
        self._aside = ThreadPoolExecutor(1, "tells-actors")
        self._slots: list[Slot] = []
        self._opened = (0, 0)
        self._packings: list[Packing] = []

    def fit(self, daemon: DaemonConfig) -> DaemonConfig:
        """As `sized`, and slots are begun for so many workers."""
        found = self.sized(daemon)
        self._open(found.workers, found.worker_memory_bytes)
        return found

    def sized(self, daemon: DaemonConfig) -> DaemonConfig:
        """The daemon's settings with the workers, and their memory, for which the cluster has room.

        UnavailableError if it has room for none.
        """
        nodes = [node["Resources"] for node in self._alive()]
        asked = self._each(daemon)
        rooms = [(node, room) for node in nodes if (room := _room(node, asked)) > 0]
        count = daemon.workers or sum(room for _, room in rooms)
        if not count:
            there = {name: sum(node.get(name, 0) for node in nodes) for name in asked}
            raise UnavailableError(
                f"no node of the cluster has room for an actor, which asks for {_shown(asked)}; all {len(nodes)} nodes "
                f"together have {_shown(there)}. Ask for less in [workers], or add a node",
                "ray start --address=HOST:6379",
            )
        shares = [int(node["memory"]) // room for node, room in rooms if "memory" in node]
        memory = daemon.worker_memory_bytes or min(shares, default=0)
        return replace(daemon, workers=count, worker_memory_bytes=memory)

    @property
    def version(self) -> str:
        """Ray's."""
        return str(self._ray.__version__)

    def room(self, daemon: DaemonConfig) -> int:
        """How many actors the nodes have room for, when nothing else runs there."""
        asked = self._each(daemon)
        return sum(_room(node["Resources"], asked) for node in self._alive())

    def lacks(
        self, daemon: DaemonConfig, demands: Demands, admission: Admission
    ) -> Iterator[tuple[str, tuple[Lack, ...]]]:
        """Every node that has room for an actor, and what is amiss there."""
        asked = self._each(daemon)
        nodes = [node for node in self._alive() if _room(node["Resources"], asked) > 0]
        return visited(self._ray, nodes, demands, admission)

    def try_one(self, memory: int | None) -> None:
        """Have an actor begin, and give it back. UnavailableError if none does in time."""
        slot = self._slot(0, memory)
        try:
            if slot.wait(threading.Event()) is None:
                why = slot.problem or late(self.config.start_seconds)
                raise UnavailableError(f"[workers] no actor has begun: {why}", "ray status")
        finally:
            slot.close()

    def hire(self, terms: Terms, demands: Demands, drafts: Path) -> Callable[[int, str], RemoteProcess]:
        """What begins a worker's process in the slot of its place."""
        terms = replace(terms, memory_bytes=terms.memory_bytes or None)
        packing = None
        if self.config.files == "objects":
            packing = Packing(self.put, drafts)
            self._packings.append(packing)
        contract = Contract(terms, demands, packing, self._hired_here, self._aside.submit)
        return lambda place, crumb_path: RemoteProcess(self._slots[place], contract, crumb_path)

    def asked(self, memory: int | None) -> dict[str, Any]:
        """What an actor asks Ray for. Its memory too, so that Ray counts what it cannot see: the actor's own worker."""
        config = self.config
        return {
            "num_cpus": config.num_cpus,
            "num_gpus": config.num_gpus,
            "resources": dict(config.resources),
            "memory": memory or None,
        }

    def put(self, data: bytes) -> Any:
        """Leave bytes in the object store."""
        return self._ray.put(data)

    @property
    def missing(self) -> str:
        """Why some slots have no actor when the time is up; empty if all have one."""
        without = [slot for slot in self._slots if slot.lent is None]
        why = next((slot.problem for slot in without if slot.problem), late(self.config.start_seconds))
        return f"{len(without)} of {len(self._slots)} actors have not begun: {why}" if without else ""

    @property
    def lost(self) -> bool:
        """Whether a connection from outside (ray://) is gone for good; who belongs to a cluster is ended with it."""
        return self.config.address.startswith("ray://") and not self._ray.util.client.ray.is_connected()

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
        self._aside.shutdown(wait=True, cancel_futures=True)  # the actors are ended
        for packing in self._packings:
            packing.close()  # a reference that outlives the connection aborts the process at its end
        with contextlib.suppress(Exception):  # the cluster may be gone
            self._ray.shutdown()
        self._left.set()

    def _alive(self) -> list[Mapping[str, Any]]:
        try:
            nodes = self._ray.nodes()
        except Exception as error:  # Ray raises what it likes where its head has gone meanwhile
            raise UnavailableError(f"[workers] the cluster does not say what nodes it has: {told(error)}") from error
        return [node for node in nodes if node["Alive"]]

    def _each(self, daemon: DaemonConfig) -> dict[str, float]:
        """What one actor asks a node for."""
        config = self.config
        asked = {"CPU": config.num_cpus, "GPU": config.num_gpus, **config.resources}
        if daemon.worker_memory_bytes:
            asked["memory"] = float(daemon.worker_memory_bytes)
        return asked

    def _open(self, count: int, memory: int) -> None:
        """Have so many slots; those that ask for the same as before go on."""
        if self._opened == (count, memory):
            return
        self._opened = (count, memory)
        for slot in self._slots:
            slot.close()
        self._slots = [self._slot(number, memory) for number in range(count)]

    def _slot(self, number: int, memory: int | None) -> Slot:
        options = {
            **self.asked(memory),
            "max_restarts": 0,  # a slot asks anew by itself; jobs that Ray did over would bypass the ledger
            "max_task_retries": 0,
            "max_concurrency": SHIFTS,
        }
        return Slot(number, self._ray.remote(Keeper).options(**options).remote, self.config.start_seconds)

    def _hired_here(self, terms: Terms, crumb_path: str) -> Process:
        return self._hiring.submit(Process, terms, crumb_path).result()


# ---------------------------------------------------------------------- helpers, in the order used


def _room(node: Mapping[str, float], asked: Mapping[str, float]) -> int:
    """How many actors fit on a node; those that ask for nothing at all go one to a node."""
    return min((int(node.get(name, 0) / amount + 1e-9) for name, amount in asked.items() if amount > 0), default=1)


def _shown(resources: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {amount:g}" for name, amount in resources.items() if amount or name == "CPU")
