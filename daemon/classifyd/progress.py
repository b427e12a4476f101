"""How far a large input is, as everybody is shown it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Progress:
    """What is done of one large input of `size` bytes, and how long the rest takes if it goes on as it did lately.

    `file` is its name as people see it, `claim` that of its claim. `share` (0 to 1) goes by what the splits that are
    done make up of it, in the reader's own unit. The rate and the time left are None as long as nothing was measured:
    before the first splits are done, and while it waits.
    """

    inbox: str
    file: str
    claim: str
    stage: Literal["cutting", "annotating", "assembling"]
    size: int
    splits: int = 0
    splits_done: int = 0
    share: float = 0.0
    records: int = 0
    records_per_second: float | None = None
    seconds_left: float | None = None
