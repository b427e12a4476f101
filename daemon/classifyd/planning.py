"""What is worked on next: large inputs in ranges, small ones packed together, small first but nobody starved."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field

from classifyd.jobs import Claim, Split, TaskSpec
from classifyd.values import WriteOptions

SMALLEST_SPLIT = 8 * 2**10
LARGEST_SPLIT = 8 * 2**20
MOST_SPLITS = 2**15
"""The daemon keeps about a kilobyte for each."""
FIRST_GUESS = 16 * 2**10
"""Bytes per second with one task, before anything was measured: as slow as a model on an old processor. Where it is
faster, jobs take several splits at once; where splits are too long, small inputs wait for them."""
TELLING_SECONDS = 0.05
SMALL_JOBS_PER_LARGE = 3
RANKS = {"high": 2, "normal": 1, "low": 0}
"""The priorities of inboxes."""
PASSED_OVER = 9
"""So many jobs of higher ranks may go before one that waits; then it is the turn of its rank."""


def plan_digest(claim: Claim, tasks: Sequence[TaskSpec], format: str, writing: WriteOptions, split_bytes: int) -> str:  # noqa: A002  # the word of the configuration
    """Names everything that a part's bytes depend on; a part of another plan is never mistaken for one of this."""
    versions = [[spec.name, spec.version, dict(spec.options), spec.review_below] for spec in tasks]
    facts = [claim.id, claim.size, claim.mtime_ns, versions, format, asdict(writing), split_bytes]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Kind:
    """Work that goes at a rate of its own: by inbox and tasks, and ranges of large inputs apart from whole small ones.

    (A mail with an attachment goes at many times the rate of a table, whose every byte is text.)
    """

    inbox: str
    tasks: frozenset[str]
    ranges: bool


class Rates:
    """Bytes per second that a worker gets through, for each kind of work, as a moving average of what workers report.

    `latest` is the one that was learnt last; 0 before any was.
    """

    def __init__(self) -> None:
        self.latest = 0.0
        self._known: dict[Kind, float] = {}

    def learn(self, kind: Kind, read_bytes: int, seconds: float) -> None:
        """Take one job's report into account. A tiny job says little, but that it can be done as fast as that."""
        if seconds <= 0 or read_bytes <= 0:
            return
        found, known = read_bytes / seconds, self._of(kind)
        if seconds > TELLING_SECONDS and kind not in self._known:
            self._known[kind] = found
        elif seconds > TELLING_SECONDS or found > known:
            self._known[kind] = known + 0.2 * (found - known)
        self.latest = self._of(kind)

    def bytes_in(self, kind: Kind, seconds: float) -> int:
        """How much a worker gets through in so many seconds."""
        return int(self._of(kind) * seconds)

    def split_bytes(self, kind: Kind, seconds: float, size: int) -> int:
        """How large the splits of an input of `size` bytes are, to take about so many seconds each."""
        about = min(LARGEST_SPLIT, max(SMALLEST_SPLIT, self.bytes_in(kind, seconds)))
        return max(about, -(-size // MOST_SPLITS))

    def _of(self, kind: Kind) -> float:
        return self._known.get(kind, FIRST_GUESS / max(1, len(kind.tasks)))


@dataclass(frozen=True, slots=True)
class Waiting:
    """A split that waits for a worker. `size` is in bytes; one that failed before goes `alone`."""

    split: Split
    size: int
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """What inputs have in common that can share a job: inbox, format, and the tasks with their pinned versions.

    `settings` stands for all else that their answers depend on.
    """

    inbox: str
    format: str
    tasks: tuple[tuple[str, int | None], ...]
    settings: str = ""

    def kind(self, *, ranges: bool) -> Kind:
        """The kind of work that its inputs are, or ranges of them."""
        return Kind(self.inbox, frozenset(task for task, _ in self.tasks), ranges)


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

    def next_ranges(self, size: int) -> list[Waiting]:
        claim, line = next(iter(self.large.items()))
        del self.large[claim]
        packed = _packed(line, size, len(line))
        if line:
            self.large[claim] = line  # at the end of the round
        return packed


class Precedence:
    """Whose turn it is among the ranks for which something waits: the highest's, unless a lower one was passed over."""

    def __init__(self) -> None:
        self._passed: dict[int, int] = {}

    def order(self, waiting: Collection[int]) -> list[int]:
        """The ranks in the order in which they are to be asked for a job."""
        due = [rank for rank in waiting if self._passed.get(rank, 0) >= PASSED_OVER]
        return [*sorted(due, reverse=True), *sorted(set(waiting).difference(due), reverse=True)]

    def given(self, rank: int, waiting: Collection[int]) -> None:
        """A job of a rank was given out while these waited."""
        self._passed = {one: self._passed.get(one, 0) + (one < rank) for one in waiting if one != rank}


class Queue:
    """Everything that waits for a worker. Keys take turns; within a key small inputs go before ranges of large ones."""

    def __init__(self, job_bytes: int, job_files: int) -> None:
        self._job_bytes = job_bytes
        self._job_files = job_files
        self._lanes: dict[Key, _Lane] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def limit(self, job_bytes: int, job_files: int) -> None:
        """From now on pack small inputs up to so much."""
        self._job_bytes, self._job_files = job_bytes, job_files

    def inboxes(self) -> set[str]:
        """The inboxes of which something is in line."""
        return {key.inbox for key, lane in self._lanes.items() if lane.small or lane.large}

    def add(self, key: Key, waiting: Waiting) -> None:
        """Put a split in line."""
        self._lanes.setdefault(key, _Lane()).add(waiting)

    def take(self, allowed: Callable[[Key], bool], job_bytes: Callable[[Kind], int]) -> Batch | None:
        """The next batch of an allowed key, which goes to the end of the round; None if there is none.

        It has about as much as `job_bytes` says of that kind of work, small inputs or ranges of a large one.
        """
        for key, lane in list(self._lanes.items()):
            if not len(lane):
                del self._lanes[key]
            elif allowed(key):
                self._lanes[key] = self._lanes.pop(key)
                return Batch(key, tuple(self._next(key, lane, job_bytes)))
        return None

    def _next(self, key: Key, lane: _Lane, job_bytes: Callable[[Kind], int]) -> list[Waiting]:
        turn_of_large = lane.large and lane.small_in_a_row >= SMALL_JOBS_PER_LARGE
        if lane.small and not turn_of_large:
            lane.small_in_a_row += 1
            size = min(job_bytes(key.kind(ranges=False)), self._job_bytes)
            return _packed(lane.small, size, self._job_files)
        lane.small_in_a_row = 0
        return lane.next_ranges(job_bytes(key.kind(ranges=True)))


def _packed(line: deque[Waiting], size: int, count: int) -> list[Waiting]:
    """At least one from the head of the line, and more while they fit into `size` bytes; up to `count`."""
    packed = [line.popleft()]
    taken = packed[0].size
    while line and not (packed[0].alone or line[0].alone) and len(packed) < count:
        taken += line[0].size
        if taken > size:
            break
        packed.append(line.popleft())
    return packed
