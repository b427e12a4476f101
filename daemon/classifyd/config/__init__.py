"""config.toml to frozen values, every fault reported at once in sentences that say what to do."""

from classifyd.config.corrections import CorrectionsInbox, watched, with_corrections
from classifyd.config.loading import PLACES, admission, find, load
from classifyd.config.machine import cores
from classifyd.config.offers import check_formats, check_tasks
from classifyd.config.settings import (
    DELETE,
    SAME,
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

__all__ = [
    "DELETE",
    "PLACES",
    "SAME",
    "Access",
    "Config",
    "CorrectionsInbox",
    "DaemonConfig",
    "HttpConfig",
    "InboxConfig",
    "ReceiverConfig",
    "Retention",
    "TaskConfig",
    "TrainConfig",
    "WorkersConfig",
    "admission",
    "check_formats",
    "check_tasks",
    "cores",
    "find",
    "load",
    "watched",
    "with_corrections",
]
