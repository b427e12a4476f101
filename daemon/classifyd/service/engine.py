"""The engine: where the workers of a daemon run. It outlives the daemons that follow one another after a HUP."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from classifyd.config import Config
from classifyd.errors import UnavailableError
from classifyd.inbox.claims import lock_file
from classifyd.service.work import Folders
from classifyd.workers import NodeLevel, Outcome, Terms, Workers, local
from classifyd.workers.demands import Demands, Sharing

if TYPE_CHECKING:
    from classifyd.workers.cluster import Cluster


class Engine:
    """Processes on this machine, or a cluster of Ray, which is joined when a configuration first asks for one."""

    def __init__(self) -> None:
        self._cluster: Cluster | None = None

    def fit(self, config: Config) -> Config:
        """The configuration with what only the engine knows: how many workers there are. UnavailableError if none."""
        asked = config.workers
        if self._cluster is not None and self._cluster.config != asked:
            self.close()
        if asked.engine == "local":
            return config
        if self._cluster is None:
            from classifyd.workers.cluster import Cluster  # noqa: PLC0415  # only where the engine is Ray

            self._cluster = Cluster(asked)
        return replace(config, daemon=self._cluster.fit(config.daemon))

    def workers(
        self, config: Config, folders: Folders, done: Callable[[Outcome], None], replaced: Callable[[str], None]
    ) -> Callable[[int], Workers]:
        """What makes the workers of a shift from its number. UnavailableError if folders cannot be shared."""
        daemon, crumbs = config.daemon, folders.breadcrumbs
        # CUDA maps far more than it uses, so that no limit on what is mapped fits it.
        terms = Terms(
            daemon.log_format, daemon.log_level, daemon.worker_memory_bytes, daemon.device != "cpu", config.plugins
        )
        hire = local(terms)
        if self._cluster is not None:
            hire = self._cluster.hire(terms, self._demands(config, folders), daemon.state)
        return lambda number: Workers(daemon.workers, crumbs / str(number), done, hire, replaced)

    def missing(self) -> str:
        """Why some workers have no place yet; empty if all have."""
        return self._cluster.missing if self._cluster is not None else ""

    def check(self) -> None:
        """UnavailableError if the cluster is gone for good: the daemon ends, and is started until there is one."""
        if self._cluster is not None and self._cluster.lost:
            address = self._cluster.config.address
            raise UnavailableError(f"[workers] the cluster at {address} is gone; start its head, then the daemon again")

    def nodes(self) -> tuple[NodeLevel, ...]:
        """The nodes of the cluster that have workers; none where they are on this machine."""
        return self._cluster.nodes() if self._cluster is not None else ()

    def close(self) -> None:
        """Leave the cluster, if one was joined."""
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    def _demands(self, config: Config, folders: Folders) -> Demands:
        if config.workers.files == "objects":
            return Demands.here(config.plugins)
        try:
            for inbox in config.inboxes:
                folders.results(inbox).mkdir(parents=True, exist_ok=True)
            return Demands.here(config.plugins, sharing(config, folders.daemon))
        except OSError as error:
            raise UnavailableError(f"{error.filename}: {error.strerror}; every node has to see it") from error


def sharing(config: Config, daemon: str, *, fresh: bool = True) -> Sharing:
    """What every node has to see for a daemon of that name; a `fresh` proof is left. OSError if it cannot be.

    The marks of inboxes are the locks that are held there; what is left in place, in a folder that may be read-only,
    has none.
    """
    folders = Folders(config.daemon.state, daemon)
    shared = [path for path in (config.models,) if path.is_dir()]
    marks = {}
    for inbox in config.inboxes:
        shared += [inbox.path, folders.results(inbox)]
        if inbox.take == "move":
            marks[inbox.path] = lock_file(inbox.path, daemon)
    return Sharing.proved(config.daemon.state, tuple(shared), marks, fresh=fresh)
