"""What the machine has for workers where nobody says: its processors, and its memory, shared among all of them."""

import os
from collections.abc import Iterator
from pathlib import Path

LEAST_SHARE = 2**30
"""Models must fit: three of the size that is shipped take half of it. Where workers are many, one may have more than
its share; should all of them want it at once, the kernel ends one."""


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def memory_share(workers: int) -> int:
    """The bytes that each of so many workers may have: of four fifths of the machine's, or the control group's."""
    whole = min(_limits(), default=LEAST_SHARE)
    return max(LEAST_SHARE, whole * 4 // 5 // workers)


def _limits() -> Iterator[int]:
    for line in _text(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemTotal:"):
            yield int(line.split()[1]) * 1024
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        if line.startswith("0::/"):
            folder = Path("/sys/fs/cgroup", line[len("0::/") :])
            # Any group above may be the one with the limit.
            found = (_text(group / "memory.max").strip() for group in (folder, *folder.parents[:-3]))
            yield from (int(limit) for limit in found if limit.isdigit())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
