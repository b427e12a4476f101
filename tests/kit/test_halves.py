"""On a GPU a model of eight bits is one of half precision; what it says stays what it said."""

import collections
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import classifyd_bert
from classifyd import bundles
from classifyd.api import BundleError, ConfigError, Setup
from classifyd.bundles import Store
from classifyd_bert import halves, runtimes
from classifyd_bert.predictor import SequencePredictor, TokenPredictor

CHANCE = np.random.default_rng(4)


def product(*, bias: bool) -> onnx.ModelProto:
    """Products in eight bits with the same input, one of them with a bias."""
    constants = {
        "scale": np.float32(0.02),
        "zero": np.uint8(128),
        "weights": CHANCE.integers(-127, 128, (8, 4)).astype(np.int8),
        "scales": CHANCE.uniform(0.001, 0.01, 4).astype(np.float32),
        "none": np.int8(0),
        "row": CHANCE.normal(size=4).astype(np.float32),
    }
    inputs = ["rounded", "weights", "scale", "scales", "zero", "none", *(["row"] if bias else [])]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["rounded"]),
        helper.make_node("MatMulIntegerToFloat", inputs, ["y"], name="product", domain="com.microsoft"),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", wide]) for name, wide in (("x", 8), ("y", 4))]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "products", ends[:1], ends[1:], tensors)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


@pytest.mark.parametrize("bias", [True, False])
def test_a_product_is_what_it_was_but_for_the_rounding_of_what_goes_in(bias: bool) -> None:
    model = product(bias=bias)
    x = CHANCE.uniform(-2, 2, (5, 8)).astype(np.float32)
    said = [runtimes.OnnxRuntime(model.SerializeToString(), 1, "cpu").run({"x": x}, "y")]
    halves.widen(model)
    assert {"MatMul", "Add"} >= {node.op_type for node in model.graph.node}
    said.append(runtimes.OnnxRuntime(model.SerializeToString(), 1, "cpu").run({"x": x}, "y"))
    assert said[0] == pytest.approx(said[1], abs=8 * 0.01 * 127 * 0.01)
    assert not np.array_equal(*said)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that takes its processor for a GPU: what would run there runs here, as it would be given to it."""
    monkeypatch.setattr(runtimes, "PROVIDERS", {**runtimes.PROVIDERS, "cuda": "CPUExecutionProvider"})


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("task", ["spam", "topic", "ner"])
def test_a_shipped_model_gives_its_known_answers_in_half_precision(task: str) -> None:
    folder = bundles.shipped()
    assert folder is not None
    store = Store(folder)
    version = store.current(task)
    assert version is not None
    bundle = store.verify(task, version)
    graph = onnx.load_model_from_string(halves.of(bundle.read("model.onnx"))).graph
    kinds = collections.Counter(node.op_type for node in graph.node)
    assert not {"MatMulIntegerToFloat", "QuantizeLinear"} & set(kinds)
    assert kinds["Cast"] < 10, "what goes from half to half is not widened in between"
    large = {tensor.data_type for tensor in graph.initializer if len(tensor.dims) == 2 and max(tensor.dims) > 1000}
    assert {TensorProto.FLOAT16, TensorProto.INT8} == large, "products in halves; the embeddings' rows as they were"

    kind = TokenPredictor if task == "ner" else SequencePredictor
    assert kind(Setup(task, {"cache": 0}, bundle, device="cuda")).runtime == "ONNX Runtime"


@pytest.mark.usefixtures("gpu")
def test_what_is_missing_or_no_model_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BundleError, match="half precision"):
        runtimes.OnnxRuntime(b"no model", 1, "cuda")
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "classifyd_bert.halves")
    monkeypatch.delattr(classifyd_bert, "halves")
    with pytest.raises(ConfigError, match=r"needs onnx: pip install \"classifyd\[cuda\]\""):
        runtimes.OnnxRuntime(product(bias=True).SerializeToString(), 1, "cuda")
