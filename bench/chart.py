"""The plot of bench/speed.py: a bar for each contender, legible on light ground and on dark."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

INK, OURS, OTHERS = "#7d8590", "#e8590c", "#4c7fb8"
"""Grey, orange and blue that stand off white and black alike; the ground is left transparent."""


def draw(speeds: Mapping[str, Sequence[float]], path: Path) -> None:
    """Medians as bars with their spread, the slowest on top; the format is the suffix's."""
    mpl.rcParams["svg.hashsalt"] = "classifyd"  # the same figures give the same file
    mpl.rcParams["svg.fonttype"] = "none"  # a third of the size
    order = sorted(speeds, key=lambda name: -statistics.median(speeds[name]))
    middles = [statistics.median(speeds[name]) for name in order]
    below = [middle - min(speeds[name]) for name, middle in zip(order, middles, strict=True)]
    above = [max(speeds[name]) - middle for name, middle in zip(order, middles, strict=True)]
    figure = Figure(figsize=(9, 0.36 * len(order) + 0.8), layout="constrained")
    axes = figure.subplots()
    colours = [OURS if name.startswith("classifyd") else OTHERS for name in order]
    bars = axes.barh(order, middles, color=colours, xerr=[below, above], error_kw={"ecolor": INK, "capsize": 2})
    axes.bar_label(bars, fmt="%.1f", label_type="edge", padding=14, color=INK)
    axes.set_xlabel("thousand real tokens a second", color=INK)
    axes.margins(x=0.12)
    axes.tick_params(colors=INK)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    metadata = {"Date": None} if path.suffix == ".svg" else None
    figure.savefig(path, transparent=True, metadata=metadata)
