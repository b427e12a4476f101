"""Micro-batches: which windows one run of the model takes together. Pure functions."""

from collections.abc import Sequence

TOKEN_BUDGET = 512
"""What so few hold stays in a core's own cache between two operators: 3 MB of float32 where MiniLM-L6 is widest.

With 2,048 its runs took 1.3 times as long in ONNX Runtime, 1.1 times in OpenVINO.
"""
GPU_TOKEN_BUDGET = 2048
"""A GPU has to be filled."""


def plan(lengths: Sequence[int], token_budget: int = TOKEN_BUDGET) -> list[list[int]]:
    """Places of windows, batch by batch, from their padded lengths; short windows first, every place exactly once.

    A batch holds windows of one padded length only, so that no window's padding depends on its company, and as many
    as the budget allows, but at least one.
    """
    by_length: dict[int, list[int]] = {}
    for place, length in enumerate(lengths):
        by_length.setdefault(length, []).append(place)
    return [
        batch
        for length in sorted(by_length)
        for batch in _cut(by_length[length], max(1, token_budget // max(1, length)))
    ]


def _cut(places: list[int], size: int) -> list[list[int]]:
    return [places[start : start + size] for start in range(0, len(places), size)]
