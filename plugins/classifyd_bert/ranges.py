"""How low and how high goes what enters a model's products, on some texts: the scales of its eight bits.

Padding is not looked at. Nothing is read off it in the end, but it holds values that no text brings about: with
them, ranges were so much wider that an int8 spam model gave 5 other labels of 781 than in floating
point, not 2 (a throw-away script).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from classifyd_bert import eightbit
from classifyd_bert.eightbit import Batch
from classifyd_bert.tokens import Window, pad

METHODS = ("minmax", "percentile")
RARE = 1e-5
"""The share of a batch's values that "percentile" leaves out at either end."""


def in_batches(windows: Sequence[Window], rows: int, pad_id: int) -> list[Batch]:
    """What to measure on: windows of one padded length, so many rows at a time; those that fill no batch are left out.

    Token types are always among it.
    """
    made: list[Batch] = []
    for start in range(0, len(windows) - rows + 1, rows):
        inputs = pad(windows[start : start + rows], pad_id)
        made.append({"token_type_ids": np.zeros_like(inputs["input_ids"]), **inputs})
    return made


def of(source: Path, batches: Sequence[Batch], method: str) -> dict[str, tuple[float, float]]:
    """The range of each tensor that goes into a product: "minmax" of all batches, "percentile" on the mean of them."""
    model = onnx.load(source)
    names = sources(model)
    ends: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for rows in seen(model, names, batches):
        for name, values in rows.items():
            ends[name].append(_ends(values, method))
    lows_and_highs = {name: np.array(found).T for name, found in ends.items()}
    if method == "percentile":
        return {name: (float(low.mean()), float(high.mean())) for name, (low, high) in lows_and_highs.items()}
    return {name: (float(low.min()), float(high.max())) for name, (low, high) in lows_and_highs.items()}


def sources(model: onnx.ModelProto) -> list[str]:
    """The tensors that go into the products, each once, in order."""
    return list(dict.fromkeys(node.input[0] for node in eightbit.products(model)))


def seen(
    model: onnx.ModelProto, names: Sequence[str], batches: Sequence[Batch]
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """What these tensors hold, batch by batch: a row for each token that is no padding, or for each text."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    known = {value.name for value in model.graph.output}
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    asked = [item.name for item in session.get_inputs()]
    for batch in batches:
        read = batch["attention_mask"].astype(bool)
        found = session.run(list(names), {name: batch[name] for name in asked})
        yield {
            name: values[read] if values.shape[:-1] == read.shape else values.reshape(-1, values.shape[-1])
            for name, values in zip(names, found, strict=True)
        }


def _ends(values: NDArray[np.float32], method: str) -> tuple[float, float]:
    if method == "percentile":
        low, high = np.quantile(values, (RARE, 1 - RARE))
        return float(low), float(high)
    return float(values.min()), float(values.max())
