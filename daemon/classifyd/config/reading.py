"""The tables of one configuration as frozen values. What is wrong is left out and noted, so that all of it is told."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifyd.config.access import AccessReading
from classifyd.config.environment import override
from classifyd.config.inboxes import inbox_faults
from classifyd.config.machine import cores, memory_share
from classifyd.config.receivers import section_faults
from classifyd.config.schema import (
    SECTIONS,
    TABLES,
    AccessSection,
    DaemonSection,
    HttpSection,
    InboxSection,
    LimitsSection,
    ModelsSection,
    PluginsSection,
    ReceiverSection,
    RetentionSection,
    TaskSection,
    TrainSection,
    WorkersSection,
    split_address,
)
from classifyd.config.sentences import nearest, quoted
from classifyd.config.settings import (
    DELETE,
    Access,
    Config,
    DaemonConfig,
    HttpConfig,
    InboxConfig,
    ReceiverConfig,
    Retention,
    TaskConfig,
    TrainConfig,
    WorkersConfig,
)
from classifyd.config.tables import Tables
from classifyd.offers import Admission
from classifyd.values import Limits


@dataclass(frozen=True, slots=True)
class _Common:
    """What inboxes share unless they say otherwise."""

    limits: Limits
    access: Access
    retention: Retention


class Reading:
    """One reading of a file. `faults` are the file's, `outside` the environment's."""

    def __init__(self, path: Path) -> None:
        self.outside: list[str] = []
        self._path = path
        self._tables = Tables(path)

    @property
    def faults(self) -> list[str]:
        """What is wrong in the file."""
        return self._tables.faults

    def config(self, tables: dict[str, Any], environ: Mapping[str, str]) -> Config:
        """The configuration, as far as it can be understood: what is wrong is left out and noted in `faults`."""
        for unknown in tables.keys() - set(TABLES):
            shown = quoted(unknown) if not isinstance(tables[unknown], dict) else f"[{unknown}]"
            self._tables.faults.append(f"there is no table or setting {shown}.{nearest(unknown, TABLES)}")
        self.outside = override(tables, environ)
        found = {name: self._tables.table(tables.get(name, {}), f"[{name}]", model) for name, model in SECTIONS.items()}
        daemon, http, models = found["daemon"], found["http"], found["models"]
        limits, plugins, retention = found["limits"], found["plugins"], found["retention"]
        workers = found["workers"]
        assert isinstance(daemon, DaemonSection)
        assert isinstance(http, HttpSection)
        assert isinstance(models, ModelsSection)
        assert isinstance(limits, LimitsSection)
        assert isinstance(plugins, PluginsSection)
        assert isinstance(retention, RetentionSection)
        assert isinstance(workers, WorkersSection)
        limited = limits.over(Limits())
        kept = retention.over(Retention())
        common = _Common(limited, self._access(daemon, "[daemon]", Access()), kept)
        inboxes = tuple(self._inboxes(tables.get("inbox"), common))
        state = self._tables.absolute(daemon.state)
        tasks = dict(self._tasks(tables.get("tasks", {})))
        return Config(
            self._path,
            self._tables.absolute(models.path),
            _daemon(daemon, state, workers.engine),
            inboxes,
            tasks,
            limited,
            self._http(http, state),
            admitted(plugins),
            kept,
            tuple(self._receivers(tables.get("receiver", []), [inbox.name for inbox in inboxes])),
            WorkersConfig(**{**workers.model_dump(), "object_store_bytes": int(workers.object_store_bytes)}),
        )

    def _http(self, section: HttpSection, state: Path) -> HttpConfig:
        token_file = self._tables.absolute(section.token_file) if section.token_file else state / "http-token"
        listen = split_address(section.listen) if section.listen else None
        asked = "listen" in section.model_fields_set
        return HttpConfig(token_file, listen, asked, tuple(host.lower() for host in section.hosts))

    # ------------------------------------------------------------------ inboxes

    def _inboxes(self, raw: object, common: _Common) -> Iterator[InboxConfig]:
        if not isinstance(raw, list) or not raw:
            self._tables.faults.append("there is no [[inbox]]; add one with name, path and tasks")
            return
        for where, section in self._tables.named(raw, "inbox", InboxSection):
            self._tables.faults += [f"{where}: {fault}" for fault in inbox_faults(section)]
            yield self._inbox(section, common, self._access(section, f"{where}:", common.access))

    def _inbox(self, section: InboxSection, common: _Common, access: Access) -> InboxConfig:
        path = self._tables.absolute(section.path)
        return InboxConfig(
            section.name,
            path,
            tuple(dict.fromkeys(section.tasks)),
            self._beside(section.output, path, "labelled"),
            DELETE if section.done == DELETE else str(self._beside(section.done, path, "done")),
            self._beside(section.quarantine, path, "quarantine"),
            section.format,
            section.take,
            section.recursive,
            section.include_text,
            section.csv_formulas,
            section.hard_links,
            section.text_field,
            section.limits.over(common.limits),
            int(section.max_claimed_bytes),
            section.max_claimed_files,
            self._tables.absolute(section.review) if section.review else None,
            self._tables.absolute(section.corrections) if section.corrections else None,
            section.priority,
            access,
            section.retention.over(common.retention),
        )

    def _access(self, section: AccessSection, where: str, above: Access) -> Access:
        reading = AccessReading(section)
        access = reading.over(above)
        self._tables.faults += [f"{where} {fault}" for fault in reading.faults]
        return access

    def _beside(self, given: str | None, inbox: Path, word: str) -> Path:
        return self._tables.absolute(given) if given else inbox.with_name(f"{inbox.name}-{word}")

    # ------------------------------------------------------------------ receivers

    def _receivers(self, raw: object, inboxes: Sequence[str]) -> Iterator[ReceiverConfig]:
        if not isinstance(raw, list):
            self._tables.faults.append("receivers are tables in double brackets; write [[receiver]]")
            return
        for where, section in self._tables.named(raw, "receiver", ReceiverSection):
            self._tables.faults += [f"{where}: {fault}" for fault in section_faults(section, inboxes)]
            yield self._receiver(section)

    def _receiver(self, section: ReceiverSection) -> ReceiverConfig:
        program, *arguments = section.command or [""]
        # As a shell has it: a name is looked for on the PATH, a path is one.
        program = str(self._tables.absolute(program)) if "/" in program else program
        return ReceiverConfig(
            section.name,
            (program, *arguments) if section.command else (),
            section.webhook or "",
            None if section.inboxes is None else tuple(section.inboxes),
            tuple(dict.fromkeys(section.endings)),
            self._tables.absolute(section.secret_file) if section.secret_file else None,
            section.secret_env,
            self._tables.absolute(section.ca_file) if section.ca_file else None,
            section.timeout_seconds,
            section.max_waiting,
        )

    # ------------------------------------------------------------------ tasks

    def _tasks(self, raw: object) -> Iterator[tuple[str, TaskConfig]]:
        if not isinstance(raw, dict):
            self._tables.faults.append("[tasks] must hold tables, as in [tasks.spam]")
            return
        for name, table in raw.items():
            section = self._tables.table(table, f"[tasks.{name}]", TaskSection)
            if section is not None:
                options = section.model_extra or {}
                self._tables.faults += _misspelt(name, options)
                train = self._train(section.train)
                yield name, TaskConfig(section.review_below, section.drift_warning, options, train)

    def _train(self, section: TrainSection) -> TrainConfig:
        base = section.base_model
        if base is not None and base.startswith((".", "~", "/")):  # else an id of the hub, as a/b
            base = str(self._tables.absolute(base))
        return TrainConfig(base, section.seed, section.model_extra or {})


# ---------------------------------------------------------------------- helpers, in the order used


def _daemon(section: DaemonSection, state: Path, engine: str) -> DaemonConfig:
    values = section.model_dump(exclude={"state", "workers", *AccessSection.model_fields})
    values |= {name: int(value) for name, value in values.items() if name.endswith("_bytes")}
    if engine == "ray":  # what there is, only the cluster knows
        return DaemonConfig(state=state, workers=section.workers, **values)
    workers = section.workers or cores()
    values["worker_memory_bytes"] = values["worker_memory_bytes"] or memory_share(workers)
    return DaemonConfig(state=state, workers=workers, **values)


def admitted(section: PluginsSection) -> Admission:
    """Which plugins a section admits."""
    return Admission(None if section.allow is None else tuple(section.allow), tuple(section.deny))


def _misspelt(task: str, options: Mapping[str, Any]) -> Iterator[str]:
    """Options are the task's own affair, but one a letter away from a setting of ours is a slip."""
    known = TaskSection.model_fields.keys()
    for option in options:
        hint = nearest(option.lower().replace("-", "_"), known)
        if "Did you mean" in hint:
            yield f"[tasks.{task}] there is no setting {quoted(option)}.{hint}"
