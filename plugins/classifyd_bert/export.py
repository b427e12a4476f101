"""A tuned model to ONNX, and from there to eight bits."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from optimum.exporters.onnx import onnx_export_from_model
from transformers import PreTrainedModel

METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}

EMBEDDINGS = ("word_embeddings", "position_embeddings")


def to_onnx(model: PreTrainedModel, task: str, folder: Path) -> Path:
    """The model in float32, as optimum exports it; `task` is optimum's word for what it does.

    Nothing is fused, for the quantizer cannot see into a fused node.
    """
    onnx_export_from_model(model, output=folder, task=task, do_validation=False, no_post_process=True, device="cpu")
    return folder / "model.onnx"


def quantize(
    source: Path,
    target: Path,
    batches: Sequence[Mapping[str, np.ndarray]],
    method: str = "minmax",
    in_float: Sequence[str] = (),
) -> None:
    """Static int8 of every product with constant weights, except the nodes named in `in_float`.

    U8 activations with one scale per tensor, S8 weights with one per channel (Jacob et al. 2018; Krishnamoorthi 2018).
    The scales are fixed beforehand from `batches`, so that a text's answer does not depend on its neighbours.
    """
    quantize_static(
        source,
        target,
        _Batches(batches, {value.name for value in onnx.load(source, load_external_data=False).graph.input}),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["MatMul", "Gemm"],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=METHODS[method],
        nodes_to_exclude=list(in_float),
        extra_options={"MatMulConstBOnly": True, "WeightSymmetric": True, "ActivationSymmetric": False},
    )
    graph = onnx.load(target)
    shrink(graph, in_float)
    onnx.save(graph, target)


def narrow_weights(source: Path, target: Path) -> None:
    """All weights stored in eight bits and every product in floating point: small, exact, and no faster."""
    graph = onnx.load(source)
    shrink(graph, products(source))
    onnx.save(graph, target)


def products(source: Path) -> list[str]:
    """The names of the nodes that multiply by constant weights, from the input to the output."""
    graph = onnx.load(source, load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    return [node.name for node in graph.node if node.op_type in ("MatMul", "Gemm") and node.input[1] in constants]


def shrink(model: onnx.ModelProto, in_float: Sequence[str]) -> None:
    """Store in eight bits what is calculated in floating point, so that the file stays small.

    Embeddings have a scale for each row and are widened only where they are looked up; the weights of the products
    named have one for each column.
    """
    graph = model.graph
    tables = {tensor.name: tensor for tensor in graph.initializer}
    for node in list(graph.node):
        if node.op_type == "Gather" and any(name in node.input[0] for name in EMBEDDINGS) and node.input[0] in tables:
            _shrink_lookup(graph, node, tables[node.input[0]])
        elif node.name in in_float:
            _shrink_product(graph, node, tables[node.input[1]])


def _shrink_lookup(graph: onnx.GraphProto, node: onnx.NodeProto, table: onnx.TensorProto) -> None:
    small, scales = _narrowed(graph, table, axis=1)
    rows, row_scales, wide = (f"{node.name}_{part}" for part in ("rows", "scales", "wide"))
    _insert_for(
        graph,
        node,
        helper.make_node("Gather", [small, node.input[1]], [rows], name=rows),
        helper.make_node("Cast", [rows], [wide], name=wide, to=TensorProto.FLOAT),
        helper.make_node("Gather", [scales, node.input[1]], [row_scales], name=row_scales),
        helper.make_node("Mul", [wide, row_scales], [node.output[0]], name=f"{node.name}_scaled"),
    )
    graph.node.remove(node)


def _shrink_product(graph: onnx.GraphProto, node: onnx.NodeProto, weights: onnx.TensorProto) -> None:
    transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    small, scales = _narrowed(graph, weights, axis=1 if transposed else 0)
    wide, scaled = f"{node.name}_wide", f"{node.name}_weights"
    _insert_for(
        graph,
        node,
        helper.make_node("Cast", [small], [wide], name=wide, to=TensorProto.FLOAT),
        helper.make_node("Mul", [wide, scales], [scaled], name=scaled),
    )
    node.input[1] = scaled


def _narrowed(graph: onnx.GraphProto, tensor: onnx.TensorProto, axis: int) -> tuple[str, str]:
    """Replace a tensor by its int8 form and scales; `axis` is the one that shares a scale. Returns their names."""
    weights = numpy_helper.to_array(tensor)
    scales = np.maximum(np.abs(weights).max(axis=axis, keepdims=True), 1e-12).astype(np.float32) / 127
    small = np.clip(np.rint(weights / scales), -127, 127).astype(np.int8)
    names = f"{tensor.name}_int8", f"{tensor.name}_scale"
    graph.initializer.remove(tensor)
    graph.initializer.extend(
        [numpy_helper.from_array(small, names[0]), numpy_helper.from_array(np.asarray(scales), names[1])]
    )
    return names


def _insert_for(graph: onnx.GraphProto, node: onnx.NodeProto, *nodes: onnx.NodeProto) -> None:
    """Put nodes in front of one that follows from them: ONNX wants them in order."""
    place = list(graph.node).index(node)
    for number, new in enumerate(nodes):
        graph.node.insert(place + number, new)


class _Batches(CalibrationDataReader):
    """Calibration batches as ONNX Runtime asks for them, with the inputs that the graph has."""

    def __init__(self, batches: Sequence[Mapping[str, np.ndarray]], inputs: set[str]) -> None:
        self._left: Iterator[dict[str, Any]] = iter(
            [{name: value for name, value in batch.items() if name in inputs} for batch in batches]
        )

    def get_next(self) -> dict[str, Any] | None:
        return next(self._left, None)
