"""The configuration as the rest of classifyd sees it: frozen values, every path absolute, every default filled in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from classifyd.offers import Admission
from classifyd.values import EMPTY, Limits

DELETE = "delete"
"""The value of `done` that asks for a finished input to be deleted."""

HIGHEST_SEED = 2**32 - 1
"""What generators of random numbers take at most."""

SAME = "same"
"""The format that answers tables in kind (csv, parquet) and everything else as jsonl."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who is let to an inbox's outputs: permission bits, user and group; None for what the process gives."""

    mode: int | None = None
    owner: int | None = None
    group: int | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """For how many seconds what an inbox leaves behind is kept after its end; None for ever.

    `done` is for inputs, `outputs` for answers, `quarantine` for what lies there, `ledger` for what is known of them.
    """

    done: float | None = None
    outputs: float | None = None
    quarantine: float | None = None
    ledger: float | None = None


@dataclass(frozen=True, slots=True)
class InboxConfig:
    """One watched folder.

    `done` is a folder whose path may hold `{task}` for labels, or DELETE. `format` is a writer's or SAME. `text_field`
    is the column that holds the text of tables, None to guess it. `review` takes doubtful inputs of one record in
    place of `done`, `corrections` files that people sort by task and label; None for neither. What waits of an inbox of
    a higher `priority` goes first.
    """

    name: str
    path: Path
    tasks: tuple[str, ...]
    output: Path
    done: str
    quarantine: Path
    format: str = "jsonl"
    take: Literal["move", "leave"] = "move"
    recursive: bool = False
    include_text: bool = True
    csv_formulas: Literal["keep", "escape"] = "keep"
    hard_links: bool = False
    text_field: str | None = None
    limits: Limits = field(default_factory=Limits)
    max_claimed_bytes: int = 4 * 2**30
    max_claimed_files: int = 2000
    review: Path | None = None
    corrections: Path | None = None
    priority: Literal["high", "normal", "low"] = "normal"
    access: Access = field(default_factory=Access)
    retention: Retention = field(default_factory=Retention)


@dataclass(frozen=True, slots=True)
class WorkersConfig:
    """What runs jobs. All but `engine` concern Ray alone.

    `address` is a cluster's, empty for one that is started on this machine. An actor asks for `num_cpus`, `num_gpus`
    and `resources` and must have begun within `start_seconds`. `files` says how inputs, parts and bundles travel:
    through folders that every node sees, or through Ray's object store.
    """

    engine: Literal["local", "ray"] = "local"
    address: str = ""
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    resources: Mapping[str, float] = EMPTY
    files: Literal["shared", "objects"] = "shared"
    start_seconds: float = 120.0
    object_store_bytes: int = 256 * 2**20


@dataclass(frozen=True, slots=True)
class DaemonConfig:
    """How the daemon itself works; `workers` and `worker_memory_bytes` (0 in the file) are resolved to numbers.

    With Ray they stay 0 until the cluster is known.
    """

    state: Path
    scan_seconds: float = 5.0
    settle_seconds: float = 1.0
    workers: int = 1
    worker_memory_bytes: int = 4 * 2**30
    threads: int = 1
    device: str = "cpu"
    drain_seconds: float = 30.0
    load_seconds: float = 120.0
    record_seconds: float = 0.5
    split_seconds: float = 1.0
    job_bytes: int = 2**20
    job_files: int = 64
    min_free_bytes: int = 64 * 2**20
    events: bool = True
    log_level: str = "info"
    log_format: Literal["auto", "console", "json"] = "auto"


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """Where the status page and the metrics are served.

    `listen` is an address and a port (0 for any free one), None for nowhere. `asked` says that the configuration names
    it: a port that cannot be had is then a fault, where the default is merely gone without. `hosts` are further names
    by which browsers may call. `token_file` holds the token that opens what names messages or changes something.
    """

    token_file: Path
    listen: tuple[str, int] | None = None
    asked: bool = field(default=False, compare=False)
    hosts: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """`listen` as the file has it."""
        if self.listen is None:
            return ""
        host, port = self.listen
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


Ends = Literal["published", "quarantined"]
"""How an input may end, as far as receivers are told."""


@dataclass(frozen=True, slots=True)
class ReceiverConfig:
    """Who is told of finished inputs: a command, or whoever answers at the address `webhook`; one of them is empty.

    `inboxes` are those whose inputs count, by name, None for all. `secret_file` or `secret_env` says where the secret
    is that webhooks are signed with, `ca_file` who may vouch for the one that answers, None for those whom the system
    trusts. Once `max_waiting` notices wait, the oldest are given up.
    """

    name: str
    command: tuple[str, ...] = ()
    webhook: str = ""
    inboxes: tuple[str, ...] | None = None
    endings: tuple[Ends, ...] = ("published", "quarantined")
    secret_file: Path | None = None
    secret_env: str | None = None
    ca_file: Path | None = None
    timeout_seconds: float = 30.0
    max_waiting: int = 100_000


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How a task is trained where the command line does not say: the encoder to start from, the seed, the recipe.

    None is the command's own default. `recipe` is the task's affair; see `check_recipe` of `load`.
    """

    base_model: str | None = None
    seed: int | None = None
    recipe: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class TaskConfig:
    """One task's section: the score below which answers are for review (None: the bundle's), and the task's options.

    With `drift_warning` False its drift is measured and not warned of.
    """

    review_below: float | None = None
    drift_warning: bool = True
    options: Mapping[str, Any] = EMPTY
    train: TrainConfig = field(default_factory=TrainConfig)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that config.toml says; `file` and `http` are None for a configuration that was made without a file."""

    file: Path | None
    models: Path
    daemon: DaemonConfig
    inboxes: tuple[InboxConfig, ...]
    tasks: Mapping[str, TaskConfig] = EMPTY
    limits: Limits = field(default_factory=Limits)
    http: HttpConfig | None = None
    plugins: Admission = field(default_factory=Admission)
    retention: Retention = field(default_factory=Retention)
    receivers: tuple[ReceiverConfig, ...] = ()
    workers: WorkersConfig = field(default_factory=WorkersConfig)

    def task(self, name: str) -> TaskConfig:
        """The task's section, or an empty one."""
        return self.tasks.get(name, TaskConfig())
