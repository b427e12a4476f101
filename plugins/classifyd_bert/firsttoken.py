"""Only what the answer needs of an encoder's last layer.

A classifier of whole texts asks the first token alone. The last layer's keys and values are needed of all tokens, but
its query, its feed-forward part and all between of the first only: most of a layer is saved, and nothing changes.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

FIRST = "first_token"
CLOSE = 1e-4
"""Between logits of the two graphs: they add up in another order."""

TOKENWISE = frozenset(
    {"Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Erf", "Tanh", "Sigmoid", "MatMul", "LayerNormalization", "Cast"}
)
"""Operators that treat each token by itself where the other side is constant or of the same shape."""


def alone(model: onnx.ModelProto, batch: Mapping[str, NDArray[np.int64]]) -> bool:
    """Have the last layer calculate the first token alone, where the model is built so; whether it was.

    The model is left as it is where anything but its first token is asked, where the layer is not laid out as BERT's,
    or where the logits of `batch` would change.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    if not _Rewriting(changed.graph).done() or not _alike(model, changed, batch):
        return False
    model.CopyFrom(changed)
    return True


class _Rewriting:
    """A graph that is walked from its last attention to the choice of the first token."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._constants = {tensor.name for tensor in graph.initializer}
        self._constants |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
        self._maker = {name: node for node in graph.node for name in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)

    def done(self) -> bool:
        """Put the choice before the last layer's query and residual; False if the layer is built otherwise."""
        softmaxes = [node for node in self._graph.node if node.op_type == "Softmax"]
        scores = self._back(softmaxes[-1].input[0], to="MatMul", through=("Add", "Div", "Mul")) if softmaxes else None
        if scores is None:
            return False
        query, key = (self._product(name) for name in scores.input)
        if query is None or key is None or query.input[0] != key.input[0]:
            return False
        states = query.input[0]
        residuals = [node for node in self._readers[states] if node.op_type == "Add"]
        if len(residuals) != 1 or not self._leads_to_first(residuals[0]):
            return False
        for number, value in enumerate(([0], [1], [1])):
            self._graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), f"{FIRST}_{number}"))
        inputs = [states, *(f"{FIRST}_{number}" for number in range(3))]
        place = list(self._graph.node).index(query)
        self._graph.node.insert(place, helper.make_node("Slice", inputs, [FIRST], name=FIRST))
        for node in (query, residuals[0]):
            renamed = [FIRST if name == states else name for name in node.input]
            del node.input[:]
            node.input.extend(renamed)
        return True

    def _product(self, name: str) -> onnx.NodeProto | None:
        """The product with constant weights that queries or keys come from."""
        found = self._back(name, to="MatMul", through=("Transpose", "Reshape", "Add", "Mul", "Div"))
        return found if found is not None and found.input[1] in self._constants else None

    def _back(self, name: str, to: str, through: Sequence[str]) -> onnx.NodeProto | None:
        """The nearest node of that operator before a tensor, along what is not constant."""
        while (node := self._maker.get(name)) is not None:
            if node.op_type == to:
                return node
            if node.op_type not in through:
                return None
            name = next((one for one in node.input if one not in self._constants), "")
        return None

    def _leads_to_first(self, node: onnx.NodeProto) -> bool:
        """Whether all that follows is calculated token by token, until the first is chosen."""
        after = [node, *self._after(node)]
        return bool(after) and all(one.op_type in TOKENWISE or self._chooses_first(one) for one in after)

    def _after(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        for name in node.output:
            for reader in self._readers.get(name, []):
                yield reader
                if not self._chooses_first(reader):
                    yield from self._after(reader)

    def _chooses_first(self, node: onnx.NodeProto) -> bool:
        if node.op_type != "Gather" or not any(item.name == "axis" and item.i == 1 for item in node.attribute):
            return False
        return self._constant(node.input[1]) == 0

    def _constant(self, name: str) -> int | None:
        """A scalar's value."""
        tensors = {tensor.name: tensor for tensor in self._graph.initializer}
        node = self._maker.get(name)
        tensor = tensors.get(name) if node is None else next((item.t for item in node.attribute), None)
        value = None if tensor is None else numpy_helper.to_array(tensor)
        return int(value) if value is not None and value.ndim == 0 else None


def _alike(one: onnx.ModelProto, other: onnx.ModelProto, batch: Mapping[str, NDArray[np.int64]]) -> bool:
    answers = []
    for model in (one, other):
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
            asked = {item.name: batch[item.name] for item in session.get_inputs()}
            answers.append(session.run(None, asked)[0])
        except Exception:  # noqa: BLE001  # the runtime's exceptions have no common base
            return False
    return answers[0].shape == answers[1].shape and bool(np.abs(answers[0] - answers[1]).max() < CLOSE)
