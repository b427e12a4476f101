"""What is worked on next: large inputs in ranges, small ones packed together, small first but nobody starved."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

from classifyd.jobs import Claim, Split, TaskSpec
from classifyd.values import WriteOptions

SMALLEST_SPLIT = 64 * 2**10
LARGEST_SPLIT = 8 * 2**20
SMALL_JOBS_PER_LARGE = 3


def plan_digest(claim: Claim, tasks: Sequence[TaskSpec], format: str, writing: WriteOptions, split_bytes: int) -> str:  # noqa: A002  # the word of the configuration
    """Names everything that a part's bytes depend on; a part of another plan is never mistaken for one of this."""
    versions = [[spec.name, spec.version, dict(spec.options), spec.review_below] for spec in tasks]
    facts = [claim.id, claim.size, claim.mtime_ns, versions, format, asdict(writing), split_bytes]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


class Rate:
    """Bytes per second that workers get through, as a moving average of what they report."""

    def __init__(self, bytes_per_second: float = 256 * 2**10) -> None:
        self.bytes_per_second = bytes_per_second

    def learn(self, read_bytes: int, seconds: float) -> None:
        """Take one job's report into account; tiny jobs say little and are left out."""
        if seconds > 0.05 and read_bytes > 0:
            self.bytes_per_second += 0.2 * (read_bytes / seconds - self.bytes_per_second)

    def split_bytes(self, seconds: float) -> int:
        """How large a split is that takes about so many seconds."""
        return int(min(LARGEST_SPLIT, max(SMALLEST_SPLIT, self.bytes_per_second * seconds)))


@dataclass(frozen=True, slots=True)
class Waiting:
    """A split that waits for a worker. `size` is in bytes; one that failed before goes `alone`."""

    split: Split
    size: int
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """What inputs have in common that can share a job: inbox, format, and the tasks with their pinned versions."""

    inbox: str
    format: str
    tasks: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Splits that one worker may take together."""

    key: Key
    items: tuple[Waiting, ...]


@dataclass(slots=True)
class _Lane:
    """The splits of one key: whole inputs in one line, ranges of large ones in a line for each, which take turns."""

    small: deque[Waiting] = field(default_factory=deque)
    large: dict[str, deque[Waiting]] = field(default_factory=dict)
    small_in_a_row: int = 0

    def __len__(self) -> int:
        return len(self.small) + sum(map(len, self.large.values()))

    def add(self, waiting: Waiting) -> None:
        cut = waiting.split.cut is not None
        (self.large.setdefault(waiting.split.claim, deque()) if cut else self.small).append(waiting)

    def next_range(self) -> Waiting:
        claim, line = next(iter(self.large.items()))
        del self.large[claim]
        waiting = line.popleft()
        if line:
            self.large[claim] = line  # at the end of the round
        return waiting


class Queue:
    """Everything that waits for a worker. Keys take turns; within a key small inputs go before ranges of large ones."""

    def __init__(self, job_bytes: int, job_files: int) -> None:
        self._job_bytes = job_bytes
        self._job_files = job_files
        self._lanes: dict[Key, _Lane] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def add(self, key: Key, waiting: Waiting) -> None:
        """Put a split in line."""
        self._lanes.setdefault(key, _Lane()).add(waiting)

    def take(self, allowed: Callable[[Key], bool]) -> Batch | None:
        """The next batch of an allowed key, which goes to the end of the round; None if there is none."""
        for key, lane in list(self._lanes.items()):
            if not len(lane):
                del self._lanes[key]
            elif allowed(key):
                self._lanes[key] = self._lanes.pop(key)
                return Batch(key, tuple(self._next(lane)))
        return None

    def _next(self, lane: _Lane) -> list[Waiting]:
        turn_of_large = lane.large and lane.small_in_a_row >= SMALL_JOBS_PER_LARGE
        if lane.small and not turn_of_large:
            lane.small_in_a_row += 1
            return self._pack(lane.small)
        lane.small_in_a_row = 0
        return [lane.next_range()]

    def _pack(self, line: deque[Waiting]) -> list[Waiting]:
        packed = [line.popleft()]
        size = packed[0].size
        while line and not (packed[0].alone or line[0].alone) and len(packed) < self._job_files:
            size += line[0].size
            if size > self._job_bytes:
                break
            packed.append(line.popleft())
        return packed
