"""What runs in an actor of Ray: it keeps worker processes on its node, and hands jobs through to them.

A plugin never runs in the actor itself. What crashes, hangs or takes too much memory is a child of it, which it watches
and ends as the daemon does its own, with the breadcrumb that says whose fault it was; an actor that goes goes with its
node, or by Ray's hand.
"""

import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from classifyd.jobs import Annotate, Choose, Inspect, Job
from classifyd.pipeline import breadcrumb
from classifyd.workers.demands import Demands
from classifyd.workers.parcels import Parcel, Stored
from classifyd.workers.process import Died, Process
from classifyd.workers.shelf import Shelf, workshop
from classifyd.workers.visiting import name
from classifyd.workers.worker import Terms

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Letter:
    """What an actor is told with a job: what holds for its worker, and where its breadcrumbs go (else a place here)."""

    terms: Terms
    demands: Demands
    crumb_path: str | None
    number: int
    job: Job
    seconds: float
    parcel: Parcel | None = None


class Keeper:
    """Keeps a worker process for each key it was given a job under; a key's jobs come one at a time."""

    def __init__(self) -> None:
        without_main()
        self._node = _node()
        self._folder = workshop()
        self._shelf = Shelf(fetched)
        self._processes: dict[int, Process] = {}
        self._lock = threading.Lock()
        # A worker dies with the thread that made it, and Ray gives no word on how long its threads live.
        self._hiring = ThreadPoolExecutor(1, "hires")

    def hello(self) -> str:
        """Where this is."""
        return self._node

    def run(self, key: int, letter: bytes, stored: Stored) -> bytes:
        """Have a job done by the key's worker: pickled, its report and parts, or why it died and the crumb it left."""
        given: Letter = pickle.loads(letter)  # noqa: S301  # the daemon's own
        faults = [] if key in self._processes else list(map(str, given.demands.lacks(given.terms.admission)))
        if faults:
            return pickle.dumps((None, f"node {self._node} {'; '.join(faults)}", b"", {}))
        crumb_path = given.crumb_path or str(self._folder / f"{key}.crumb")
        job, parts = _with_crumb(given.job, crumb_path), {}
        try:
            process = self._process(key, given.terms, crumb_path)
            if given.parcel is None:
                report = process.run(given.number, job, given.seconds)
            else:
                with self._shelf.unpacked(given.parcel, stored, job, self._folder) as (job, places):
                    report = process.run(given.number, job, given.seconds)
                    parts = {place: data for path, place in places.items() if (data := _read(path)) is not None}
        except (Died, OSError) as death:
            self.end(key)
            return pickle.dumps((None, str(death), breadcrumb.left(crumb_path), {}))
        return pickle.dumps((report, "", b"", parts))

    def end(self, key: int) -> None:
        """End the key's worker."""
        with self._lock:
            process = self._processes.pop(key, None)
        if process is not None:
            process.end()
            process.close()

    def _process(self, key: int, terms: Terms, crumb_path: str) -> Process:
        with self._lock:
            process = self._processes.get(key)
        if process is None:
            here = replace(terms, node=self._node)
            process = self._hiring.submit(Process, here, crumb_path).result()
            with self._lock:
                self._processes[key] = process
        return process


def without_main() -> None:
    """Have processes that are spawned here not run their parent's main module again, which is Ray's own."""
    sys.modules["__main__"].__dict__.pop("__file__", None)


def _node() -> str:
    import ray  # noqa: PLC0415  # only where the engine is Ray

    own = ray.get_runtime_context().get_node_id()
    nodes = ray.nodes()  # type: ignore[no-untyped-call]  # the library forgot
    return next((name(node) for node in nodes if node["NodeID"] == own), f"?/{own[:8]}")


def fetched(ref: Any) -> bytes:
    """Bytes from the object store."""
    import ray  # noqa: PLC0415  # only where the engine is Ray

    found: bytes = ray.get(ref)
    return found


def _read(path: str) -> bytes | None:
    """A part; None if there is none, as of a split that could not be read."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return None


def _with_crumb(job: Job, crumb_path: str) -> Job:
    return replace(job, breadcrumb=crumb_path) if isinstance(job, Annotate | Inspect | Choose) else job
