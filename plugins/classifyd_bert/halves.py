"""A model of eight bits as one of half precision, for GPUs: they multiply halves fast, and have no kernels of U8 x S8.

Weights are what their eight bits stand for, and what goes into a product is not rounded, so that an answer is rather
nearer to the trained model's. It is done as a model is loaded: a bundle is the same, whatever it runs on.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from classifyd_bert.eightbit import drop_unused

ROUNDING, PRODUCT, WIDENING = "QuantizeLinear", "MatMulIntegerToFloat", "DequantizeLinear"


def of(model: bytes) -> bytes:
    """The same model with its weights and products in half precision; its inputs and outputs keep their types."""
    loaded = onnx.load_model_from_string(model)
    widen(loaded)
    # What widens weights gives float32 in the operators of these models; the conversion puts a cast behind it.
    blocked = [*DEFAULT_OP_BLOCK_LIST, WIDENING]
    half: onnx.ModelProto = convert_float_to_float16(loaded, keep_io_types=True, op_block_list=blocked)
    return bytes(half.SerializeToString())


def widen(model: onnx.ModelProto) -> None:
    """Rewrite products in eight bits (`eightbit`) as products in floating point, each with its bias."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    whole = {node.output[0]: node.input[0] for node in graph.node if node.op_type == ROUNDING}
    nodes = []
    for node in graph.node:
        if node.op_type == PRODUCT and node.input[0] in whole:
            nodes += _in_float(graph, node, whole[node.input[0]], constants)
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input} | {value.name for value in graph.output}
    kept = [node for node in nodes if node.op_type != ROUNDING or node.output[0] in used]
    del graph.node[:]
    graph.node.extend(kept)
    drop_unused(graph)


def _in_float(
    graph: onnx.GraphProto, node: onnx.NodeProto, source: str, constants: dict[str, onnx.TensorProto]
) -> list[onnx.NodeProto]:
    small, scales = (numpy_helper.to_array(constants[node.input[place]]) for place in (1, 3))
    wide = f"{node.name}_wide"
    graph.initializer.append(numpy_helper.from_array(small.astype(np.float32) * scales, wide))
    (total,) = node.output
    if len(node.input) < 7 or not node.input[6]:
        return [helper.make_node("MatMul", [source, wide], [total], name=node.name)]
    product = f"{total}_product"
    return [
        helper.make_node("MatMul", [source, wide], [product], name=node.name),
        helper.make_node("Add", [product, node.input[6]], [total], name=f"{node.name}_bias"),
    ]
