"""Products in eight bits, written the way ONNX Runtime calculates them fastest.

What goes into a product is rounded to U8 by a scale that was fixed beforehand, its weights are S8 with a scale for each
column (Jacob et al. 2018; Krishnamoorthi 2018), and what comes out is floating point at once, its bias with it. So one
operator does what QDQ needs four for, nothing is rounded twice, and a text's answer does not depend on its neighbours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

PRODUCTS = ("MatMul", "Gemm")
DOMAIN = "com.microsoft"

Batch = Mapping[str, NDArray[Any]]
"""What a model takes, by name; rows of the same length."""


def products(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes that multiply by constant weights, from the input to the output."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [node for node in model.graph.node if node.op_type in PRODUCTS and node.input[1] in constants]


def weights(node: onnx.NodeProto, tensor: onnx.TensorProto) -> NDArray[np.float32]:
    """A product's weights, (inputs, outputs)."""
    found: NDArray[np.float32] = numpy_helper.to_array(tensor)
    return found.T if transposed(node) else found


def transposed(node: onnx.NodeProto) -> bool:
    """Whether a product's weights are kept as (outputs, inputs)."""
    return any(item.name == "transB" and item.i for item in node.attribute)


def narrow(wide: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights as S8 and their scales; `axis` is the one that shares a scale, and keeps its place with a length of 1."""
    scales = np.maximum(np.abs(wide).max(axis=axis, keepdims=True), 1e-12).astype(np.float32) / np.float32(127)
    return np.clip(np.rint(wide / scales), -127, 127).astype(np.int8), scales


def write(model: onnx.ModelProto, found: Mapping[str, tuple[float, float]], in_float: Sequence[str] = ()) -> None:
    """Rewrite the products of a model, except those of the names `in_float`, by the ranges that were found."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    chosen = {node.name: node for node in products(model) if node.name not in in_float}
    biases = _biases(graph, chosen, constants)
    added = {bias.node for bias in biases.values()}
    rounded: set[str] = set()
    nodes = []
    for node in graph.node:
        if node.name in added:
            continue
        if node.name not in chosen:
            nodes.append(node)
            continue
        source = node.input[0]
        if source not in rounded:
            rounded.add(source)
            nodes.append(_rounding(graph, source, *found[source]))
        nodes.append(_product(graph, node, weights(node, constants[node.input[1]]), biases.get(node.name)))
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unused(graph)
    if all(item.domain != DOMAIN for item in model.opset_import):
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))


# ---------------------------------------------------------------------- the nodes


@dataclass(frozen=True, slots=True)
class _Bias:
    """A product's bias, and the node that added it: its name and what it gave, where there was one."""

    name: str
    node: str = ""
    output: str = ""


def _biases(
    graph: onnx.GraphProto, chosen: Mapping[str, onnx.NodeProto], constants: Mapping[str, onnx.TensorProto]
) -> dict[str, _Bias]:
    """The bias of each product: a Gemm's own, or a constant row that a sum of its own adds to the result."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found = {}
    for name, node in chosen.items():
        if node.op_type == "Gemm":
            found[name] = _Bias(node.input[2])
            continue
        readers_of = readers.get(node.output[0], [])
        if len(readers_of) != 1 or readers_of[0].op_type != "Add":
            continue
        rows = [one for one in readers_of[0].input if one in constants and len(constants[one].dims) == 1]
        if rows:
            found[name] = _Bias(rows[0], readers_of[0].name, readers_of[0].output[0])
    return found


def _rounding(graph: onnx.GraphProto, source: str, low: float, high: float) -> onnx.NodeProto:
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / 255, 1e-12)
    _add(graph, _scale(source), np.float32(scale))
    _add(graph, _zero(source), np.uint8(round(-low / scale)))
    inputs = [source, _scale(source), _zero(source)]
    return helper.make_node("QuantizeLinear", inputs, [_rounded(source)], name=_rounded(source))


def _product(
    graph: onnx.GraphProto, node: onnx.NodeProto, wide: NDArray[np.float32], bias: _Bias | None
) -> onnx.NodeProto:
    small, scales = narrow(wide, axis=0)
    source = node.input[0]
    names = [f"{node.name}_{part}" for part in ("weights", "scales", "zero")]
    _add(graph, names[0], small)
    _add(graph, names[1], scales[0])
    # Each has a zero of its own: where the runtime widens weights to be precise it does so one node at a time.
    _add(graph, names[2], np.int8(0))
    inputs = [_rounded(source), names[0], _scale(source), names[1], _zero(source), names[2]]
    output = node.output[0]
    if bias is not None:
        inputs.append(bias.name)
        output = bias.output or output
    return helper.make_node("MatMulIntegerToFloat", inputs, [output], name=node.name, domain=DOMAIN)


def _rounded(tensor: str) -> str:
    return f"{tensor}_rounded"


def _scale(tensor: str) -> str:
    return f"{tensor}_scale"


def _zero(tensor: str) -> str:
    return f"{tensor}_zero"


def _add(graph: onnx.GraphProto, name: str, value: Any) -> None:
    graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


def drop_unused(graph: onnx.GraphProto) -> None:
    """Take out the constants that no node reads."""
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
