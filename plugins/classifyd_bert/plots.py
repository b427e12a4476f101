"""The report's plots: learning curves, confusion, precision and recall, reliability. All on white, for any page."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from classifyd_bert import calibration
from classifyd_bert.findings import Curve, Findings
from classifyd_bert.report import MOST_LABELS_DRAWN

mpl.use("Agg")

MOST_NUMBERS = 12
MOST_CURVES = 8
DPI = 110

Draw = Callable[[Figure], None]


def draw(found: Findings, history: Sequence[Mapping[str, float]], folder: Path) -> dict[str, Path]:
    """Every plot that makes sense, as PNG files in `folder`, by name; `history` as in `Story`, empty without one."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted: dict[str, tuple[tuple[float, float], Draw]] = {}
    if history:
        wanted["epochs"] = (8.0, 3.2), partial(_epochs, history)
    if found.whole.confusion:
        wanted["confusion"] = _matrix_size(found), partial(_confusion, found)
    if curves := found.curves():
        wanted["precision_recall"] = (6.4, 4.0), partial(_curves, curves)
    if found.scores:
        wanted["reliability"] = (4.8, 4.6), partial(_reliability, found)
    return {f"{name}.png": _save(folder / f"{name}.png", size, plot) for name, (size, plot) in wanted.items()}


def _save(path: Path, size: tuple[float, float], plot: Draw) -> Path:
    # A label may hold a dollar sign, which is no formula, or signs that the font lacks, which is no news to anyone.
    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure = Figure(figsize=size, layout="constrained")
        plot(figure)
        # Without the library's version and the date in it, the same figures give the same bytes.
        figure.savefig(path, dpi=DPI, metadata={"Software": None})
    return path


def _epochs(history: Sequence[Mapping[str, float]], figure: Figure) -> None:
    epochs = [entry["epoch"] for entry in history]
    losses, figures = figure.subplots(1, 2)
    drawn = (
        (losses, "training_loss", "training"),
        (losses, "loss", "evaluation"),
        (figures, "f1", "F1"),
        (figures, "accuracy", "accuracy"),
    )
    for axes, name, label in drawn:
        if all(name in entry for entry in history):
            axes.plot(epochs, [entry[name] for entry in history], marker="o", label=label)
    losses.set(title="Loss", xlabel="epoch", ylim=(0, None))
    figures.set(title="Evaluation set", xlabel="epoch")
    for axes in (losses, figures):
        axes.grid(alpha=0.3)
        axes.legend()
        if len(epochs) <= 12:
            axes.set_xticks(epochs)


def _worst_labels(found: Findings) -> list[int]:
    """The places of the labels that the matrix shows: all, or those that errors touch most, in order."""
    counts = np.array(found.whole.confusion)
    if len(counts) <= MOST_LABELS_DRAWN:
        return list(range(len(counts)))
    errors = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    return sorted(np.argsort(-errors, kind="stable")[:MOST_LABELS_DRAWN].tolist())


def _matrix_size(found: Findings) -> tuple[float, float]:
    labels = min(len(found.labels), MOST_LABELS_DRAWN)
    side = 2.6 + 0.24 * max(labels, 5)
    return side + 0.06 * max(map(len, found.labels)), side


def _confusion(found: Findings, figure: Figure) -> None:
    places = _worst_labels(found)
    rows = np.array(found.whole.confusion)
    counts = rows[np.ix_(places, places)]
    shares = counts / np.maximum(rows.sum(axis=1)[places], 1)[:, None]
    labels = [found.labels[place] for place in places]
    axes = figure.subplots()
    # The root of the share, so that an error of one in a hundred shows, too.
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(labels))
    size = 9 if len(labels) <= MOST_NUMBERS else 7
    axes.set(xlabel="given", ylabel="right")
    axes.set_xticks(ticks, labels, rotation=45 if len(labels) <= MOST_NUMBERS else 90, ha="right", fontsize=size)
    if len(labels) > MOST_NUMBERS:
        axes.set_xticks(ticks, labels, rotation=90, ha="center", fontsize=size)
    axes.set_yticks(ticks, labels, fontsize=size)
    for row, column in zip(*np.nonzero(counts), strict=True):
        shade = "white" if shares[row, column] > 0.3 else "black"
        shown = f"{counts[row, column]:,}" if len(labels) <= MOST_NUMBERS else str(counts[row, column])
        axes.text(column, row, shown, ha="center", va="center", color=shade, fontsize=size - 1)


def _curves(curves: Sequence[Curve], figure: Figure) -> None:
    axes = figure.subplots()
    pooled, each = curves[0], curves[1:]
    shown = each if len(each) <= MOST_CURVES else sorted(each, key=lambda curve: curve.average)[:MOST_CURVES]
    for curve in shown:
        axes.plot(curve.recall, curve.precision, linewidth=1.2, label=f"{_short(curve.label)} ({curve.average:.3f})")
    if len(each) > 1:
        axes.plot(pooled.recall, pooled.precision, color="black", linewidth=2, label=f"all ({pooled.average:.3f})")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.01))
    axes.grid(alpha=0.3)
    title = "label (area)" if len(shown) == len(each) else f"lowest {MOST_CURVES} (area)"
    figure.legend(loc="outside right upper", title=title, fontsize=8)


def _short(label: str) -> str:
    # matplotlib leaves names that begin with "_" out of its legends.
    return (label if len(label) <= 24 else f"{label[:23]}…").lstrip("_") or "?"


def _reliability(found: Findings, figure: Figure) -> None:
    shares, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    bins = calibration.reliability(found.scores, found.right)
    shares.plot([0, 1], [0, 1], color="grey", linewidth=0.8, label="as it should be")
    shares.plot([score for score, _, _ in bins], [share for _, share, _ in bins], marker="o", label="as it is")
    shares.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
    shares.grid(alpha=0.3)
    shares.legend(loc="upper left")
    counts.hist(found.scores, bins=calibration.BINS, range=(0, 1), color="tab:blue", alpha=0.6)
    counts.set(xlabel="score", ylabel="answers")
    counts.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
