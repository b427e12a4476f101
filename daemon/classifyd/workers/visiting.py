"""A look at the nodes of a cluster before workers begin there: by a task of Ray's on each, which asks for no room."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from classifyd import __version__
from classifyd.offers import Admission
from classifyd.workers.demands import Demands, Lack
from classifyd.workers.raised import lines

VISIT_SECONDS = 60.0
"""So long may all nodes together take to answer: each starts a process for it."""


def visited(
    ray: Any, nodes: Iterable[Mapping[str, Any]], demands: Demands, admission: Admission
) -> Iterator[tuple[str, tuple[Lack, ...]]]:
    """Each node by its name in logs, and what is amiss there."""
    from ray.util.scheduling_strategies import (  # noqa: PLC0415  # only where the engine is Ray
        NodeAffinitySchedulingStrategy,
    )

    look = ray.remote(num_cpus=0, max_retries=0)(lacks)
    asked = {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        asked[name(node)] = look.options(scheduling_strategy=there).remote(demands, admission)
    end = time.monotonic() + VISIT_SECONDS
    for known, ref in sorted(asked.items()):
        yield known, _answer(ray, ref, max(0.0, end - time.monotonic()))


def name(node: Mapping[str, Any]) -> str:
    """What a node is called in logs."""
    return f"{node['NodeManagerAddress']}/{node['NodeID'][:8]}"


def lacks(demands: Demands, admission: Admission) -> tuple[Lack, ...]:
    """Runs on a node."""
    return tuple(demands.lacks(admission))


def _answer(ray: Any, ref: Any, seconds: float) -> tuple[Lack, ...]:
    try:
        if not ray.wait([ref], timeout=seconds)[0]:
            return (Lack(f"did not answer within {VISIT_SECONDS:g} seconds", "see Ray's logs on it", "ray status"),)
        found: tuple[Lack, ...] = ray.get(ref)
    except Exception as error:  # noqa: BLE001  # without classifyd there Ray raises what it likes
        last = [type(error).__name__, *lines(error)][-1]
        what = f"cannot run classifyd ({last})"[:400]
        command = f"pip install 'classifyd[ray]=={__version__}'"
        return (Lack(what, "install the same version there", command),)
    return found
