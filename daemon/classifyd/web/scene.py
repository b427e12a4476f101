"""What the server shows of the daemon: a frozen picture of one moment, made by the main loop once a second."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from classifyd.config import Config
from classifyd.inbox.notes import Note
from classifyd.metrics import Levels, Metrics
from classifyd.progress import Progress
from classifyd.values import EMPTY
from classifyd.web.recent import Recent
from classifyd.web.wishes import Wish

SILENT_SECONDS = 60.0
"""A main loop that has not turned for so long hangs: in turning it waits for nothing but the disk."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment. `turned_at` is by the monotonic clock, `started_at` in epoch seconds.

    `stuck` is a worker that could not be ended. `held` has what makes inputs wait with its reason, `loading` the
    versions that are about to take over, `refused` why versions could not, as "task@version: reason". `progress` has
    the large inputs in work, the first of them; `paused` has the inboxes of which nothing is begun, with who asked,
    `unmet` what the configuration asks for that is not done, and why.
    """

    state: Literal["loading", "running", "stopping"] = "loading"
    turned_at: float = 0.0
    started_at: float = 0.0
    stuck: bool = False
    levels: Levels = field(default_factory=Levels)
    held: Mapping[str, str] = EMPTY
    loading: Mapping[str, int | None] = EMPTY
    refused: Mapping[str, str] = EMPTY
    bytes_per_second: float = 0.0
    progress: tuple[Progress, ...] = ()
    paused: Mapping[str, Note] = EMPTY
    unmet: Mapping[str, str] = EMPTY

    def illness(self, now: float) -> str:
        """Why the daemon is not healthy at the monotonic time `now`; empty if it is."""
        if self.state == "loading":
            return ""  # what takes long then has deadlines of its own, and a restart would begin it anew
        if self.stuck:
            return "a worker cannot be ended"
        silent = now - self.turned_at
        return f"the main loop has not turned for {silent:.0f} seconds" if silent > SILENT_SECONDS else ""

    def unreadiness(self, now: float) -> str:
        """Why the daemon takes no inputs at the monotonic time `now`; empty if it does."""
        if self.state != "running":
            return "models are being loaded" if self.state == "loading" else "the daemon is about to end"
        return self.illness(now)


class Outlook(Protocol):
    """What the server looks at. Each of these is replaced as a whole, or safe to read from any thread."""

    config: Config
    scene: Scene
    metrics: Metrics
    recent: Recent

    def hand_over(self, wish: Wish) -> bool:
        """Leave a wish for the main loop; False if none runs that could grant it."""
