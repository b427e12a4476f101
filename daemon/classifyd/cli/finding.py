"""How one thing is that `doctor` has looked at."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """How one thing is: good, worse than it could be, or bad; and what mends it (empty if nothing needs to)."""

    state: Literal["good", "worse", "bad"]
    about: str
    what: str
    mend: str = ""
