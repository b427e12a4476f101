"""What a configuration changes that is read again: at once, by other workers, or not before a restart."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from classifyd.config import Config, HttpConfig, with_corrections

OF_WORKERS = ("workers", "worker_memory_bytes", "threads", "device", "events", "log_level", "log_format")
"""The settings of [daemon] that workers and watchers are made by."""

LEFT_TO_A_CLUSTER = ("workers", "worker_memory_bytes")


@dataclass(frozen=True, slots=True)
class Change:
    """`config` is what can come into force: the new one, with the old values where a process cannot change them.

    `kept` says of those settings what they stay. `of_workers` names the settings for which all workers are made anew.
    """

    config: Config
    kept: Mapping[str, str]
    of_workers: tuple[str, ...]


def compare(old: Config, new: Config) -> Change:
    """What becomes of a new configuration, as it was read, in a daemon that runs under an old one."""
    kept: dict[str, str] = {}
    new = _fitted(old, new)
    if new.daemon.state != old.daemon.state:
        # The ledger, the locks and the daemon's name lie there, and claims bear that name.
        kept["[daemon] state"] = f"stays {old.daemon.state}; to have it changed, restart the daemon"
        new = replace(
            new, daemon=replace(new.daemon, state=old.daemon.state), http=_http(new.http, new.daemon.state, old)
        )
    new = with_corrections(new)
    return Change(new, kept, tuple(_of_workers(old, new)))


def _fitted(old: Config, new: Config) -> Config:
    """With the numbers that the cluster gave, where the file leaves them to it: 0 is no other number than before."""
    if new.workers.engine != "ray" or new.workers != old.workers:
        return new
    given = {name: getattr(new.daemon, name) or getattr(old.daemon, name) for name in LEFT_TO_A_CLUSTER}
    return replace(new, daemon=replace(new.daemon, **given))


def _http(http: HttpConfig | None, state: Path, old: Config) -> HttpConfig | None:
    """The token's default place is in the state folder."""
    if http is None or http.token_file.parent != state:
        return http
    return replace(http, token_file=old.daemon.state / http.token_file.name)


def _of_workers(old: Config, new: Config) -> Iterator[str]:
    for name in OF_WORKERS:
        if getattr(old.daemon, name) != getattr(new.daemon, name):
            yield f"[daemon] {name}"
    sections = {
        "[models] path": (old.models, new.models),
        "[plugins]": (old.plugins, new.plugins),
        "[workers]": (old.workers, new.workers),
        "[[receiver]]": (old.receivers, new.receivers),  # whose threads are begun with the rest
        "[[inbox]] path or output": (_shared(old), _shared(new)),
    }
    yield from (name for name, (before, after) in sections.items() if before != after)
    served = {task for inbox in old.inboxes for task in inbox.tasks}
    for task in sorted({task for inbox in new.inboxes for task in inbox.tasks} & served):
        if dict(old.task(task).options) != dict(new.task(task).options):
            yield f"[tasks.{task}]"


def _shared(config: Config) -> list[Path]:
    """The folders that every node of a cluster has to see, for which it is asked when its workers are hired."""
    shared = config.workers.engine == "ray" and config.workers.files != "objects"
    return [folder for inbox in config.inboxes for folder in (inbox.path, inbox.output)] if shared else []
