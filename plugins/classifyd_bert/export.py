"""A tuned model to ONNX, and from there to eight bits."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper, numpy_helper
from optimum.exporters.onnx import onnx_export_from_model
from transformers import PreTrainedModel

from classifyd_bert import eightbit, firsttoken
from classifyd_bert.eightbit import Batch

EMBEDDINGS = ("word_embeddings", "position_embeddings")


def to_onnx(model: PreTrainedModel, task: str, folder: Path) -> Path:
    """The model in float32, as optimum exports it; `task` is optimum's word for what it does.

    Nothing is fused: what comes after works on plain nodes, and the run time fuses what is left.
    """
    onnx_export_from_model(model, output=folder, task=task, do_validation=False, no_post_process=True, device="cpu")
    return folder / "model.onnx"


def first_token_alone(source: Path, batch: Batch) -> bool:
    """Have the model calculate in its last layer what its answer needs, if that is the first token; whether it was."""
    model = onnx.load(source)
    found = firsttoken.alone(model, batch)
    if found:
        onnx.save(model, source)
    return found


def quantize(
    source: Path, target: Path, ranges: Mapping[str, tuple[float, float]], in_float: Sequence[str] = ()
) -> None:
    """Every product with constant weights in eight bits, except the nodes named in `in_float`; see `eightbit`."""
    model = onnx.load(source)
    eightbit.write(model, ranges, in_float)
    shrink(model, in_float)
    onnx.save(model, target)


def narrow_weights(source: Path, target: Path) -> None:
    """All weights stored in eight bits and every product in floating point: small, exact, and no faster."""
    model = onnx.load(source)
    shrink(model, [node.name for node in eightbit.products(model)])
    onnx.save(model, target)


def products(source: Path) -> list[str]:
    """The names of the nodes that multiply by constant weights, from the input to the output."""
    return [node.name for node in eightbit.products(onnx.load(source, load_external_data=False))]


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
    small, scales = _narrowed(graph, weights, axis=1 if eightbit.transposed(node) else 0)
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
    small, scales = eightbit.narrow(numpy_helper.to_array(tensor), axis)
    names = f"{tensor.name}_int8", f"{tensor.name}_scale"
    graph.initializer.remove(tensor)
    graph.initializer.extend([numpy_helper.from_array(small, names[0]), numpy_helper.from_array(scales, names[1])])
    return names


def _insert_for(graph: onnx.GraphProto, node: onnx.NodeProto, *nodes: onnx.NodeProto) -> None:
    """Put nodes in front of one that follows from them: ONNX wants them in order."""
    place = list(graph.node).index(node)
    for number, new in enumerate(nodes):
        graph.node.insert(place + number, new)
