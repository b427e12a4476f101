"""What may stand in config.toml: names, types and ranges. What the settings mean is said in config.toml itself."""

import dataclasses
import ipaddress
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ByteSize, ConfigDict, Field

from classifyd.config import durations
from classifyd.config.settings import (
    HIGHEST_SEED,
    DaemonConfig,
    Ends,
    InboxConfig,
    ReceiverConfig,
    Retention,
    WorkersConfig,
)
from classifyd.values import Limits


def _default(of: type, name: str) -> Any:
    """The default of a setting, which is written down once: in the value it ends up in."""
    [found] = [field for field in dataclasses.fields(of) if field.name == name]
    return found.default


def _no_truth(value: object) -> object:
    # To Python true is 1; nobody means one byte by it.
    return str(value) if isinstance(value, bool) else value


Seconds = Annotated[float, Field(gt=0, le=86_400 * 365, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Size = Annotated[ByteSize, BeforeValidator(_no_truth), Field(ge=1)]
PathText = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]+$")]
InboxName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Names = list[Annotated[str, Field(min_length=1)]]
TaskName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Section(BaseModel):
    """A table of the file: nothing is guessed, and nothing unknown is passed over."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _written_out(value: object) -> object:
    # 1000 and "1000" are one user; true is none.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Name = Annotated[str, BeforeValidator(_written_out), Field(pattern=r"^[^\x00:/]*$", max_length=255)]


class AccessSection(Section):
    """Who is let to outputs, in [daemon] and [[inbox]]: "" as they are made, None where the one above decides."""

    output_mode: Annotated[str, Field(pattern=r"^(0?[0-7]{3})?$")] | None = None
    output_owner: Name | None = None
    output_group: Name | None = None


class DaemonSection(AccessSection):
    """The table [daemon]. 0 asks for one worker per core, and for a share of the memory that there is for each."""

    state: PathText = "state"
    scan_seconds: Seconds = _default(DaemonConfig, "scan_seconds")
    settle_seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = _default(
        DaemonConfig, "settle_seconds"
    )
    workers: Annotated[int, Field(ge=0, le=1024)] = 0
    worker_memory_bytes: Annotated[ByteSize, BeforeValidator(_no_truth), Field(ge=0)] = ByteSize(0)
    threads: Annotated[int, Field(ge=1, le=1024)] = _default(DaemonConfig, "threads")
    device: Literal["cpu", "cuda"] = _default(DaemonConfig, "device")
    drain_seconds: Seconds = _default(DaemonConfig, "drain_seconds")
    load_seconds: Seconds = _default(DaemonConfig, "load_seconds")
    record_seconds: Seconds = _default(DaemonConfig, "record_seconds")
    split_seconds: Seconds = _default(DaemonConfig, "split_seconds")
    job_bytes: Size = _default(DaemonConfig, "job_bytes")
    job_files: Count = _default(DaemonConfig, "job_files")
    min_free_bytes: Annotated[ByteSize, BeforeValidator(_no_truth), Field(ge=0)] = _default(
        DaemonConfig, "min_free_bytes"
    )
    events: bool = _default(DaemonConfig, "events")
    log_level: Literal["debug", "info", "warning", "error"] = _default(DaemonConfig, "log_level")
    log_format: Literal["auto", "console", "json"] = _default(DaemonConfig, "log_format")


def _cluster(address: str) -> str:
    """The address, if it is one that Ray takes. ValueError for anything else."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address not in {"", "auto"} and not (host and port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise ValueError(address)
    return address


Amount = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]


class WorkersSection(Section):
    """The table [workers]."""

    engine: Literal["local", "ray"] = _default(WorkersConfig, "engine")
    address: Annotated[str, AfterValidator(_cluster)] = _default(WorkersConfig, "address")
    num_cpus: Amount = _default(WorkersConfig, "num_cpus")
    num_gpus: Amount = _default(WorkersConfig, "num_gpus")
    resources: dict[Annotated[str, Field(min_length=1)], Amount] = {}
    files: Literal["shared", "objects"] = _default(WorkersConfig, "files")
    start_seconds: Seconds = _default(WorkersConfig, "start_seconds")
    object_store_bytes: Annotated[Size, Field(ge=80 * 2**20)] = ByteSize(_default(WorkersConfig, "object_store_bytes"))


LISTEN = "127.0.0.1:9464"
"""Loopback alone; the port is the one of OpenTelemetry's Prometheus exporters."""


def _address(text: str) -> str:
    """The text, if it can be listened to."""
    if text:
        split_address(text)
    return text


def split_address(text: str) -> tuple[str, int]:
    """`127.0.0.1:9464` or `[::1]:9464` as an address and a port. ValueError for anything else."""
    host, colon, port = text.rpartition(":")
    number = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    if not (colon and port.isascii() and port.isdigit() and int(port) < 2**16):
        raise ValueError(text)
    return str(number), int(port)


class HttpSection(Section):
    """The table [http]; an empty `listen` serves nothing."""

    listen: Annotated[str, AfterValidator(_address)] = LISTEN
    token_file: PathText | None = None
    hosts: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]+$")]] = []


class ModelsSection(Section):
    """The table [models]."""

    path: PathText = "models"


class PluginsSection(Section):
    """The table [plugins]."""

    allow: Names | None = None
    deny: Names = []


class LimitsSection(Section):
    """The tables [limits] and [inbox.limits]; None where the one above decides."""

    file_bytes: Size | None = None
    record_bytes: Size | None = None
    decompressed_bytes: Size | None = None
    decompression_ratio: Count | None = None
    mime_parts: Count | None = None
    mime_depth: Count | None = None

    def over(self, limits: Limits) -> Limits:
        """The limits, changed where this table says otherwise."""
        given = {name: int(value) for name, value in self.model_dump(exclude_none=True).items()}
        return dataclasses.replace(limits, **given)


Duration = Annotated[str, BeforeValidator(durations.checked)]


class RetentionSection(Section):
    """The tables [retention] and [inbox.retention]; None where the one above decides."""

    done: Duration | None = None
    outputs: Duration | None = None
    quarantine: Duration | None = None
    ledger: Duration | None = None

    def over(self, retention: Retention) -> Retention:
        """The retention, changed where this table says otherwise."""
        given = {name: durations.seconds(text) for name, text in self.model_dump(exclude_none=True).items()}
        return dataclasses.replace(retention, **given)


class InboxSection(AccessSection):
    """One table [[inbox]]."""

    name: InboxName
    path: PathText
    tasks: Annotated[list[TaskName], Field(min_length=1)]
    output: PathText | None = None
    done: PathText | None = None
    quarantine: PathText | None = None
    review: PathText | None = None
    corrections: PathText | None = None
    format: TaskName = _default(InboxConfig, "format")
    take: Literal["move", "leave"] = _default(InboxConfig, "take")
    recursive: bool = _default(InboxConfig, "recursive")
    include_text: bool = _default(InboxConfig, "include_text")
    csv_formulas: Literal["keep", "escape"] = _default(InboxConfig, "csv_formulas")
    hard_links: bool = _default(InboxConfig, "hard_links")
    text_field: Annotated[str, Field(min_length=1)] | None = None
    priority: Literal["high", "normal", "low"] = _default(InboxConfig, "priority")
    max_claimed_bytes: Size = _default(InboxConfig, "max_claimed_bytes")
    max_claimed_files: Count = _default(InboxConfig, "max_claimed_files")
    limits: LimitsSection = LimitsSection()
    retention: RetentionSection = RetentionSection()


class ReceiverSection(Section):
    """One table [[receiver]]."""

    name: InboxName
    command: Annotated[list[Annotated[str, Field(pattern=r"^[^\x00]*$")]], Field(min_length=1)] | None = None
    webhook: Annotated[str, Field(min_length=1)] | None = None
    inboxes: Annotated[list[InboxName], Field(min_length=1)] | None = None
    endings: Annotated[list[Ends], Field(min_length=1)] = list(_default(ReceiverConfig, "endings"))
    secret_file: PathText | None = None
    secret_env: Annotated[str, Field(min_length=1)] | None = None
    ca_file: PathText | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = _default(
        ReceiverConfig, "timeout_seconds"
    )
    max_waiting: Count = _default(ReceiverConfig, "max_waiting")


class TrainSection(BaseModel):
    """The table [tasks.NAME.train]; what is not known here belongs to the recipe, which the task checks."""

    model_config = ConfigDict(extra="allow", strict=True)

    base_model: PathText | None = None
    seed: Annotated[int, Field(ge=0, le=HIGHEST_SEED)] | None = None


class TaskSection(BaseModel):
    """One table [tasks.NAME]; what is not known here is an option of the task's own."""

    model_config = ConfigDict(extra="allow", strict=True)

    review_below: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    drift_warning: bool = True
    train: TrainSection = TrainSection()


SECTIONS: dict[str, type[BaseModel]] = {
    "daemon": DaemonSection,
    "workers": WorkersSection,
    "http": HttpSection,
    "models": ModelsSection,
    "plugins": PluginsSection,
    "limits": LimitsSection,
    "retention": RetentionSection,
}
"""The tables that stand in the file at most once and have settings of their own."""

TABLES = (*SECTIONS, "tasks", "inbox", "receiver")
