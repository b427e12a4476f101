"""What is about to come into service, and what could not."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from classifyd.service.tasks import Pin, Stamp, Versions
from classifyd.workers import Workers

Seen = Mapping[Pin, Stamp]
"""What the files of some tasks' versions looked like."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A promoted version that did not come into service, and why.

    `seen` is what the files of the versions at fault looked like then: it may be tried again once they have changed,
    or from `again` on, by the monotonic clock.
    """

    version: int | None
    reason: str
    seen: Seen
    again: float = math.inf


@dataclass(slots=True)
class Candidate:
    """The versions that a second shift gets ready to serve. `changed` are the tasks whose version is another one."""

    number: int
    versions: Versions
    changed: tuple[str, ...]
    workers: Workers
    seen: Seen
    began: float = field(default_factory=time.monotonic)
    warm: int = 0
    deaths: int = 0
