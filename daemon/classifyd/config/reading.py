"""The tables of one configuration as frozen values. What is wrong is left out and noted, so that all of it is told."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from classifyd.config.access import AccessReading
from classifyd.config.environment import override
from classifyd.config.inboxes import inbox_faults
from classifyd.config.memory import memory_share
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
from classifyd.config.sentences import nearest, quoted, sentences
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
from classifyd.offers import Admission
from classifyd.values import Limits

_M = TypeVar("_M", bound=BaseModel)


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class _Common:
    """What inboxes share unless they say otherwise."""

    limits: Limits
    access: Access
    retention: Retention


class Reading:
    """One reading of a file. `faults` are the file's, `outside` the environment's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.base = Path(os.path.abspath(path)).parent  # noqa: PTH100  # a linked config stays where its link lies
        self.faults: list[str] = []
        self.outside: list[str] = []

    def config(self, tables: dict[str, Any], environ: Mapping[str, str]) -> Config:
        """The configuration, as far as it can be understood: what is wrong is left out and noted in `faults`."""
        for unknown in tables.keys() - set(TABLES):
            shown = quoted(unknown) if not isinstance(tables[unknown], dict) else f"[{unknown}]"
            self.faults.append(f"there is no table or setting {shown}.{nearest(unknown, TABLES)}")
        self.outside = override(tables, environ)
        found = {name: self._table(tables.get(name, {}), f"[{name}]", model) for name, model in SECTIONS.items()}
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
        state = self._absolute(daemon.state)
        tasks = dict(self._tasks(tables.get("tasks", {})))
        return Config(
            self.path,
            self._absolute(models.path),
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

    def _table(self, raw: object, where: str, model: type[_M]) -> _M | None:
        """The table, without the settings that are at fault; None if what is needed is among them."""
        if not isinstance(raw, dict):
            self.faults.append(f"{where} must be a table, not {quoted(raw)}")
            return _validated(model, {})
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            # [daemon] workers …, but inbox "mail": path …
            self.faults += sentences(error, f"{where} " if where.startswith("[") else f"{where}: ", model)
            wrong = {detail["loc"][0] for detail in error.errors()}
        return _validated(model, {key: value for key, value in raw.items() if key not in wrong})

    def _http(self, section: HttpSection, state: Path) -> HttpConfig:
        token_file = self._absolute(section.token_file) if section.token_file else state / "http-token"
        listen = split_address(section.listen) if section.listen else None
        asked = "listen" in section.model_fields_set
        return HttpConfig(token_file, listen, asked, tuple(host.lower() for host in section.hosts))

    # ------------------------------------------------------------------ inboxes

    def _inboxes(self, raw: object, common: "_Common") -> Iterator[InboxConfig]:
        if not isinstance(raw, list) or not raw:
            self.faults.append("there is no [[inbox]]; add one with name, path and tasks")
            return
        for where, section in self._named(raw, "inbox", InboxSection):
            self.faults += [f"{where}: {fault}" for fault in inbox_faults(section)]
            yield self._inbox(section, common, self._access(section, f"{where}:", common.access))

    def _named(self, tables: list[object], what: str, model: type[_M]) -> Iterator[tuple[str, _M]]:
        """The tables of a kind of which there are several, each with the words that it is called by in a fault."""
        names: set[str] = set()
        for number, table in enumerate(tables, 1):
            name = table.get("name") if isinstance(table, dict) else None
            where = f"{what} {quoted(name)}" if isinstance(name, str) and name else f"{what} {number}"
            section = self._table(table, where, model)
            if isinstance(name, str) and name in names:
                self.faults.append(f"{where}: an earlier {what} has the same name; rename one")
            names.add(str(name))
            if section is not None:
                yield where, section

    def _inbox(self, section: InboxSection, common: "_Common", access: Access) -> InboxConfig:
        path = self._absolute(section.path)
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
            self._absolute(section.review) if section.review else None,
            self._absolute(section.corrections) if section.corrections else None,
            section.priority,
            access,
            section.retention.over(common.retention),
        )

    def _access(self, section: AccessSection, where: str, above: Access) -> Access:
        reading = AccessReading(section)
        access = reading.over(above)
        self.faults += [f"{where} {fault}" for fault in reading.faults]
        return access

    def _beside(self, given: str | None, inbox: Path, word: str) -> Path:
        return self._absolute(given) if given else inbox.with_name(f"{inbox.name}-{word}")

    def _absolute(self, text: str) -> Path:
        try:
            path = Path(text).expanduser()
        except RuntimeError:  # pathlib knows no narrower one
            self.faults.append(
                f"{quoted(text)} begins with the name of a user who is not known here; write the path out"
            )
            path = Path(text)
        return Path(os.path.normpath(self.base / path))

    # ------------------------------------------------------------------ receivers

    def _receivers(self, raw: object, inboxes: Sequence[str]) -> Iterator[ReceiverConfig]:
        if not isinstance(raw, list):
            self.faults.append("receivers are tables in double brackets; write [[receiver]]")
            return
        for where, section in self._named(raw, "receiver", ReceiverSection):
            self.faults += [f"{where}: {fault}" for fault in section_faults(section, inboxes)]
            yield self._receiver(section)

    def _receiver(self, section: ReceiverSection) -> ReceiverConfig:
        program, *arguments = section.command or [""]
        # As a shell has it: a name is looked for on the PATH, a path is one.
        program = str(self._absolute(program)) if "/" in program else program
        return ReceiverConfig(
            section.name,
            (program, *arguments) if section.command else (),
            section.webhook or "",
            None if section.inboxes is None else tuple(section.inboxes),
            tuple(dict.fromkeys(section.endings)),
            self._absolute(section.secret_file) if section.secret_file else None,
            section.secret_env,
            self._absolute(section.ca_file) if section.ca_file else None,
            section.timeout_seconds,
            section.max_waiting,
        )

    # ------------------------------------------------------------------ tasks

    def _tasks(self, raw: object) -> Iterator[tuple[str, TaskConfig]]:
        if not isinstance(raw, dict):
            self.faults.append("[tasks] must hold tables, as in [tasks.spam]")
            return
        for name, table in raw.items():
            section = self._table(table, f"[tasks.{name}]", TaskSection)
            if section is not None:
                options = section.model_extra or {}
                self.faults += _misspelt(name, options)
                train = self._train(section.train)
                yield name, TaskConfig(section.review_below, section.drift_warning, options, train)

    def _train(self, section: TrainSection) -> TrainConfig:
        base = section.base_model
        if base is not None and base.startswith((".", "~", "/")):  # else an id of the hub, as a/b
            base = str(self._absolute(base))
        return TrainConfig(base, section.seed, section.model_extra or {})


# ---------------------------------------------------------------------- helpers, in the order used


def _validated(model: type[_M], raw: Mapping[str, Any]) -> _M | None:
    try:
        return model.model_validate(raw)
    except ValidationError:
        return None


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
