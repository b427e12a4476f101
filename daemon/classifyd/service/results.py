"""What the dispatcher is through with."""

from dataclasses import dataclass, field

from classifyd.service.work import Work
from classifyd.values import Fault


@dataclass(slots=True)
class Results:
    """What has come of inputs: ready to be published, to be quarantined, or pinned to a task that cannot be loaded."""

    ready: list[Work] = field(default_factory=list)
    condemned: list[tuple[Work, Fault]] = field(default_factory=list)
    unloadable: list[Work] = field(default_factory=list)
