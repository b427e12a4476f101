"""Channels of what goes into a product that are far larger than the rest, calculated apart.

A few channels of an encoder hold values some ten times as large as all others (Bondarenko, Nagel & Blankevoort 2021;
Dettmers et al. 2022), and one scale for all leaves those few of its 255 steps. Taken out, and multiplied by their rows
of the weights in floating point, they cost a fifth of the time, where the whole product in floating point takes three
times as long, and the rest is rounded as finely as it needs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from classifyd_bert import eightbit, export, ranges
from classifyd_bert.eightbit import Batch

MOST = 4
"""So many channels of a tensor are taken out at most."""
WORTH = 0.6
"""Without them the range must be this share of the whole one, or less."""


@dataclass(frozen=True, slots=True)
class Range:
    """How low and how high a tensor goes in the channels that stay together, and the channels that are taken out."""

    low: float
    high: float
    apart: tuple[int, ...] = ()


def quantize(source: Path, target: Path, batches: Sequence[Batch], *, steady: bool = False) -> None:
    """Every product with constant weights in eight bits, but for the channels that are calculated apart.

    With `steady` ranges are a little wider, to two digits: processors differ in the last ones, and a file that others
    are to make again must not.
    """
    found = find(source, batches)
    model = onnx.load(source)
    apart = take_out(model, found)
    ends = {name: (one.low, one.high) for name, one in found.items()}
    if steady:
        ends = {name: (_outward(low), _outward(high)) for name, (low, high) in ends.items()}
    eightbit.write(model, ends, apart)
    export.shrink(model, ())
    onnx.save(model, target)


def find(source: Path, batches: Sequence[Batch]) -> dict[str, Range]:
    """The range of what goes into each product of a model, on the batches; padding is not looked at.

    Nothing is taken out of what goes into a product to whose result nothing is added: there is no place to add it.
    """
    model = onnx.load(source)
    whole = {node.input[0] for node in eightbit.products(model) if _added(model.graph, node) is None}
    names = ranges.sources(model)
    lows: dict[str, NDArray[np.float32]] = {}
    highs: dict[str, NDArray[np.float32]] = {}
    for rows in ranges.seen(model, names, batches):
        for name, values in rows.items():
            lows[name] = np.minimum(lows.get(name, np.inf), values.min(axis=0))
            highs[name] = np.maximum(highs.get(name, -np.inf), values.max(axis=0))
    return {name: _range(lows[name], highs[name], most=0 if name in whole else MOST) for name in names}


def take_out(model: onnx.ModelProto, found: Mapping[str, Range]) -> list[str]:
    """Calculate those channels apart; the names of the new products, which are to stay in floating point."""
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    made: list[str] = []
    for node in eightbit.products(model):
        source = node.input[0]
        channels = np.array(found[source].apart, np.int64)
        if not len(channels):
            continue
        added = _added(graph, node)
        assert added is not None  # else `find` would have left them in
        wide = numpy_helper.to_array(tensors[node.input[1]]).copy()
        name = f"{node.name}_apart"
        graph.initializer.append(numpy_helper.from_array(wide[channels], f"{name}_weights"))
        wide[channels] = 0
        tensors[node.input[1]].CopyFrom(numpy_helper.from_array(wide, node.input[1]))
        graph.initializer.append(numpy_helper.from_array(channels, f"{name}_channels"))
        total = added.output[0]
        added.output[0] = f"{total}_together"
        place = list(graph.node).index(added) + 1
        values, product = f"{name}_values", f"{name}_sum"
        new = (
            helper.make_node("Gather", [source, f"{name}_channels"], [values], name=values, axis=-1),
            helper.make_node("MatMul", [values, f"{name}_weights"], [product], name=name),
            helper.make_node("Add", [f"{total}_together", product], [total], name=f"{name}_added"),
        )
        for number, one in enumerate(new):
            graph.node.insert(place + number, one)
        made.append(name)
    return made


def _added(graph: onnx.GraphProto, node: onnx.NodeProto) -> onnx.NodeProto | None:
    """The sum that adds a product's bias; None where it has none, or more than one reads the product."""
    readers = [one for one in graph.node if node.output[0] in one.input]
    return readers[0] if node.op_type == "MatMul" and len(readers) == 1 and readers[0].op_type == "Add" else None


def _range(lows: NDArray[np.float32], highs: NDArray[np.float32], most: int) -> Range:
    widest = np.argsort(-np.maximum(np.abs(lows), np.abs(highs)), kind="stable")
    whole = float(highs.max() - lows.min())
    for count in range(1, min(most, len(widest) - 1) + 1):
        rest = widest[count:]
        if float(highs[rest].max() - lows[rest].min()) <= WORTH * whole:
            return Range(float(lows[rest].min()), float(highs[rest].max()), tuple(sorted(widest[:count].tolist())))
    return Range(float(lows.min()), float(highs.max()))


def _outward(value: float) -> float:
    if value == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return math.copysign(math.ceil(abs(value) / step) * step, value)
