"""Which products of a model eight bits serve worst, measured on texts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from classifyd_bert import eightbit, ranges
from classifyd_bert.eightbit import Batch

ROWS = 4
"""Windows to measure on: every position of each is a row of a product, so that few are enough."""

Floats = NDArray[np.floating]


def ranked(source: Path, products: Sequence[str], batch: Batch) -> list[str]:
    """The names of the products, those first whose result eight bits change most.

    Measured for each by itself, on what reaches it in floating point; see `error`. Padding is not looked at.
    """
    model = onnx.load(source)
    nodes = {node.name: node for node in model.graph.node if node.name in set(products)}
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    inputs = list(dict.fromkeys(node.input[0] for node in nodes.values()))
    (seen,) = ranges.seen(model, inputs, [{name: value[:ROWS] for name, value in batch.items()}])
    errors = {
        name: error(seen[node.input[0]], eightbit.weights(node, weights[node.input[1]])) for name, node in nodes.items()
    }
    return sorted(products, key=lambda name: -errors[name])


def error(values: Floats, weights: Floats) -> float:
    """The power of the error of `values @ weights` in eight bits against that of the product, on the mean over rows.

    Values are rounded as the quantizer does, U8 with one scale, and weights S8 with one per column. Rows count alike:
    one with an outlier widens the scale of all, and would hide in its own power what that costs the others.
    """
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    scale = max((high - low) / 255, 1e-12)
    zero = round(-low / scale)
    rounded = (np.clip(np.rint(values / scale) + zero, 0, 255) - zero) * scale
    small, columns = eightbit.narrow(weights, axis=0)
    wanted = values @ weights
    made = rounded @ (small * columns)
    power = (wanted**2).sum(axis=1)
    least = max(0.01 * float(np.median(power)), 1e-12)
    return float((((made - wanted) ** 2).sum(axis=1) / np.maximum(power, least)).mean())
