"""Small plots for the report: learning curve, confusion, reliability."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classifyd_bert import calibration
from classifyd_bert.report import Findings

mpl.use("Agg")

MOST_LABELS = 30


def draw(found: Findings, folder: Path) -> dict[str, Path]:
    """Every plot that makes sense, as PNG files in `folder`, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted: dict[str, Callable[[Findings, Axes], None]] = {"reliability": _reliability}
    if len(found.history) > 1:
        wanted["epochs"] = _epochs
    if 0 < len(found.whole.confusion) <= MOST_LABELS:
        wanted["confusion"] = _confusion
    return {f"{name}.png": _save(folder / f"{name}.png", found, plot) for name, plot in wanted.items()}


def _save(path: Path, found: Findings, plot: Callable[[Findings, Axes], None]) -> Path:
    figure = Figure(figsize=(4.8, 3.6), layout="constrained")
    plot(found, figure.subplots())
    # Without the library's version and the date in it, the same figures give the same bytes.
    figure.savefig(path, dpi=90, metadata={"Software": None})
    return path


def _epochs(found: Findings, axes: Axes) -> None:
    epochs = [entry["epoch"] for entry in found.history]
    axes.plot(epochs, [entry["f1"] for entry in found.history], marker="o", label="F1")
    axes.set(xlabel="epoch", ylabel="F1, evaluation set", xticks=epochs)
    losses = axes.twinx()
    losses.plot(epochs, [entry["loss"] for entry in found.history], marker="s", color="tab:orange", label="loss")
    losses.set_ylabel("loss (orange)")


def _confusion(found: Findings, axes: Axes) -> None:
    confusion, labels = found.whole.confusion, found.sets.labels
    shares = [[count / max(sum(row), 1) for count in row] for row in confusion]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places = range(len(labels))
    axes.set(xlabel="given", ylabel="right", xticks=places, yticks=places)
    axes.set_xticklabels(labels, rotation=45, ha="right")
    axes.set_yticklabels(labels)
    for row in places if len(labels) <= MOST_LABELS // 3 else ():
        for column in places:
            shade = "white" if shares[row][column] > 0.5 else "black"
            axes.text(column, row, f"{confusion[row][column]:,}", ha="center", va="center", color=shade)


def _reliability(found: Findings, axes: Axes) -> None:
    bins = calibration.reliability(*found.scored)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    axes.plot([score for score, _, _ in bins], [share for _, share, _ in bins], marker="o")
    axes.set(xlabel="score", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
