"""What `doctor` finds of a cluster: all that the daemon looks at there before its first claim, on every node."""

import contextlib
import shlex
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from classifyd import logs
from classifyd.cli.finding import Finding
from classifyd.config import Config
from classifyd.errors import UnavailableError
from classifyd.service.engine import sharing
from classifyd.workers.cluster import Cluster
from classifyd.workers.demands import Demands, Lack, Sharing
from classifyd.workers.joining import installed


def cluster(config: Config) -> Iterator[Finding]:
    """Whether there is Ray, and a cluster with room for workers, and whether each node has what they need."""
    if config.workers.engine == "local":
        return
    logs.configure(config.daemon.log_format, "error")
    try:
        if not config.workers.address:
            ray = installed(alone=True)
            yield Finding("good", "cluster", f"Ray {ray.__version__} starts one on this machine, with the daemon")
            return
        with closing(Cluster(config.workers)) as joined:
            yield from _room(joined, config)
            yield from _nodes(joined, config)
    except UnavailableError as error:
        yield Finding("bad", "cluster", str(error), error.mend or f"edit {shlex.quote(str(config.file))}")


def _room(joined: Cluster, config: Config) -> Iterator[Finding]:
    sized, room = joined.sized(config.daemon), joined.room(config.daemon)
    if sized.workers > room:
        what = f"{sized.workers} workers are asked for, and there is room for {room}"
        yield Finding("bad", "cluster", what, f"set workers = {room} in [daemon], or: ray start --address=HOST:6379")
    else:
        where = f"{joined.config.address}, Ray {joined.version}"
        yield Finding("good", "cluster", f"{where}: room for {room} workers, {sized.workers} are asked for")


def _nodes(joined: Cluster, config: Config) -> Iterator[Finding]:
    demands = Demands.here(config.plugins)
    if config.workers.files == "shared":
        state = config.daemon.state
        try:
            demands = replace(demands, sharing=_shared(config))
        except OSError as error:
            what = f"{state}: {error.strerror}, so that nobody can tell whether nodes see the same folder"
            yield Finding("bad", "cluster", what, f"mkdir -p {shlex.quote(str(state))}, as the daemon's user")
    for node, lacks in joined.lacks(config.daemon, demands, config.plugins):
        for lack in lacks:
            yield Finding("bad", f"node {node}", lack.what, _mend(node, lack))
        if not lacks:
            seen = " and the same folders" if demands.sharing.proof else ""
            yield Finding("good", f"node {node}", f"has the same classifyd and plugins{seen}")


def _shared(config: Config) -> Sharing:
    """What nodes must see of what is here: before the daemon's first start some of it is not made yet."""
    daemon = "nobody"
    with contextlib.suppress(FileNotFoundError):
        daemon = (config.daemon.state / "daemon-id").read_text(encoding="ascii").strip()
    found = sharing(config, daemon, fresh=False)
    folders = tuple(folder for folder in found.folders if Path(folder).is_dir())
    return replace(found, folders=folders, marks={k: mark for k, mark in found.marks.items() if Path(mark).exists()})


def _mend(node: str, lack: Lack) -> str:
    return f"on {node.partition('/')[0]}: {lack.command or lack.todo}"
