"""The errand of labelling a corpus: what is done already is skipped, Ray Data does the rest, a manifest says what came.

Texts never pass through Ray's object store, nor through the driver: portions go out, receipts come back. So memory
stays flat however large the corpus is, and what is under way at a time is what the actors have in hand.
"""

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from classifyd import __version__
from classifyd.config import Config, DaemonConfig
from classifyd.corpus.labeller import Instructions, Labeller
from classifyd.corpus.manifest import MANIFEST, Total, manifest
from classifyd.corpus.places import place, refuse_among
from classifyd.corpus.receipts import OWN, Receipt, Receipts, parsed
from classifyd.corpus.splits import Portion, portions
from classifyd.errors import UnavailableError, UsageError
from classifyd.jobs import CutUp, Inspect, TaskSpec
from classifyd.pipeline import Pipeline
from classifyd.service.clashes import refuse_overwriting
from classifyd.training import urls
from classifyd.values import Cut, ReadOptions, WriteOptions
from classifyd.workers import Terms
from classifyd.workers.cluster import Cluster
from classifyd.workers.demands import Demands, Sharing
from classifyd.workers.parcels import Packing, Parcel, Stored, Unfit
from classifyd.workers.raised import told

RANGE_BYTES = 32 * 2**20
TASKS_AHEAD = 2
"""So many portions wait at each actor, so that none is idle: more would only be done again when it goes."""
STARTS = 10
"""So many actors in a row may fail to start."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What is asked for; `target` is a URL or a path from the root.

    `told` hears of each receipt with the bytes of its input, for progress and complaints.
    """

    sources: tuple[str, ...]
    target: str
    format: str
    csv_formulas: str
    tasks: tuple[TaskSpec, ...]
    told: Callable[[Receipt, int], None]


def label(errand: Errand, config: Config, pipeline: Pipeline) -> Total:
    """Label what is not labelled yet, and write the manifest. UnavailableError if the cluster or a node is not fit.

    UsageError before anything is written if an answer would take the place of an input, or be labelled itself.
    """
    plan = _plan(errand, config)
    target = place(errand.target)
    refuse_among(errand.sources, errand.target)
    wanted = portions(errand.sources, errand.format, _Cutter(pipeline, config).ranges)
    refuse_overwriting((one.source for one in wanted), (target.where(one.output) for one in wanted))
    kept = Receipts(target)
    done = kept.done(wanted, plan)
    todo = [portion for portion in wanted if portion.digest(plan) not in done]
    for portion in wanted:
        if (receipt := done.get(portion.digest(plan))) is not None:
            errand.told(receipt, portion.size)
    receipts = dict(done)
    if todo:
        for receipt, portion in _labelled(todo, plan, errand, config):
            receipts[receipt.digest] = receipt
            errand.told(receipt, portion.size)
    ordered = [receipts[portion.digest(plan)] for portion in wanted]
    total = Total.of(ordered, len(done))
    kept.remove_stale(wanted)
    target.write(MANIFEST, manifest(plan, errand.tasks, errand.format, ordered))
    return total


def _labelled(todo: Sequence[Portion], plan: str, errand: Errand, config: Config) -> Iterator[tuple[Receipt, Portion]]:
    cluster = Cluster(config.workers)
    try:
        daemon = cluster.sized(config.daemon)
        demands = _demands(errand, config)
        _look(cluster, daemon, demands, config)
        parcel, stored = _bundles(errand, config, cluster)
        terms = Terms(
            daemon.log_format,
            daemon.log_level,
            daemon.worker_memory_bytes or None,
            daemon.device != "cpu",
            config.plugins,
        )
        instructions = Instructions(
            errand.target,
            plan,
            errand.tasks,
            errand.format,
            ReadOptions(None, config.limits),
            WriteOptions(tuple(spec.name for spec in errand.tasks), csv_formulas=errand.csv_formulas),
            terms,
            demands,
            daemon.threads,
            daemon.device,
            daemon.load_seconds,
            daemon.record_seconds,
            parcel,
        )
        by_digest = {portion.digest(plan): portion for portion in todo}
        for text in _rows(cluster, todo, instructions, stored, min(daemon.workers, len(todo))):
            receipt = parsed(text)
            if receipt.stop:
                raise UnavailableError(receipt.stop)
            yield receipt, by_digest[receipt.digest]
    finally:
        cluster.close()


def _look(cluster: Cluster, daemon: DaemonConfig, demands: Demands, config: Config) -> None:
    """UnavailableError names what every node lacks; or says why no actor begins, for which Ray Data waits for ever."""
    found = [f"node {node} {lack}" for node, lacks in cluster.lacks(daemon, demands, config.plugins) for lack in lacks]
    if found:
        raise UnavailableError("; ".join(found))
    cluster.try_one(daemon.worker_memory_bytes)


def _rows(
    cluster: Cluster, todo: Sequence[Portion], instructions: Instructions, stored: Stored, actors: int
) -> Iterator[str]:
    """The receipts, as they come."""
    import ray.data  # noqa: PLC0415  # only where the engine is Ray

    logging.getLogger("ray").setLevel(logging.ERROR)  # importing that turned it up again
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # A portion may rightly take long, and has a deadline in its actor.
    context.execution_no_progress_timeout_s = -1
    # One actor that fails to start would end the whole job, as it does where Ray does not know this setting.
    context.max_consecutive_actor_init_deaths = STARTS
    items = [{"portion": portion.text()} for portion in todo]
    pool = ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=TASKS_AHEAD)
    found = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        Labeller,
        batch_size=1,
        compute=pool,
        fn_constructor_args=(instructions, stored),
        **cluster.asked(instructions.terms.memory_bytes),
    )
    try:
        for row in found.iter_rows():
            yield str(row["receipt"])
    except Exception as error:  # Ray raises whatever its parts do
        why = f"[workers] Ray Data has ended the work: {told(error)}; the same command again does what is left"
        raise UnavailableError(why) from error


def _plan(errand: Errand, config: Config) -> str:
    """Names all that the bytes of an answer depend on, but for its input."""
    tasks = [[t.name, t.version, dict(t.options), t.review_below] for t in errand.tasks]
    found = [__version__, tasks, errand.format, errand.csv_formulas, repr(config.limits)]
    return hashlib.sha256(json.dumps(found, default=str).encode()).hexdigest()[:16]


def _demands(errand: Errand, config: Config) -> Demands:
    """The folders that every node has to see: those of the sources and the target, where these are no URLs."""
    folders = [Path(urls.as_path(one)).absolute() for one in errand.sources if not urls.is_url(one)]
    shared = tuple(path if path.is_dir() else path.parent for path in folders)
    if urls.is_url(errand.target):
        return Demands.here(config.plugins, Sharing(tuple(map(str, shared))))
    own = Path(errand.target, OWN)
    try:
        own.mkdir(parents=True, exist_ok=True)
        return Demands.here(config.plugins, Sharing.proved(own, shared, {}))
    except OSError as error:
        raise UsageError(f"{error.filename or own}: {error.strerror}; name another --output") from error


def _bundles(errand: Errand, config: Config, cluster: Cluster) -> tuple[Parcel | None, Stored]:
    if config.workers.files != "objects":
        return None, {}
    with tempfile.TemporaryDirectory(prefix="classifyd-") as drafts:
        try:
            packed = Packing(cluster.put, Path(drafts)).packed(Inspect(errand.tasks))
        except Unfit as unfit:
            faults = (*unfit.report.unloadable.values(), *filter(None, [unfit.report.fault]))
            raise UnavailableError("; ".join(fault.message for fault in faults)) from unfit
    return packed.parcel, packed.stored


class _Cutter:
    """Cuts large files up where that costs no more than reading them."""

    def __init__(self, pipeline: Pipeline, config: Config) -> None:
        self._pipeline = pipeline
        self._reading = ReadOptions(None, config.limits)

    def ranges(self, path: str, name: str) -> tuple[str, tuple[Cut, ...]]:
        """The reader and the ranges; none for what is spooled to be cut, which is left to its actor as a whole."""
        with tempfile.TemporaryDirectory(prefix="classifyd-") as folder:
            report = self._pipeline.run(
                CutUp("corpus", path, name, RANGE_BYTES, self._reading, str(Path(folder, "spool")))
            )
        return ("", ()) if report.fault or report.spooled else (report.reader, report.cuts)
