"""Channels that dwarf the rest are calculated apart: nearly what floating point gives, where plain eight bits fail."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from classifyd_bert import export, outliers, ranges

ROWS, WIDTH, OUTPUTS = 64, 32, 16


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """One product with its bias."""
    chance = np.random.default_rng(1)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["product"], name="product"),
            helper.make_node("Add", ["product", "b"], ["y"], name="sum"),
        ],
        "one",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", "tokens", WIDTH]),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["rows", "tokens"]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", "tokens", OUTPUTS])],
        [
            numpy_helper.from_array(chance.normal(size=(WIDTH, OUTPUTS)).astype(np.float32), "w"),
            numpy_helper.from_array(chance.normal(size=OUTPUTS).astype(np.float32), "b"),
        ],
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def batch(*large: int, seed: int = 2) -> dict[str, np.ndarray]:
    values = np.random.default_rng(seed).normal(size=(4, ROWS // 4, WIDTH)).astype(np.float32)
    values[..., list(large)] *= 60
    return {"x": values, "attention_mask": np.ones((4, ROWS // 4), np.int64)}


def run(path: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {item.name: inputs[item.name] for item in session.get_inputs()})[0]


def test_large_channels_are_found_and_padding_is_not_looked_at(model: Path) -> None:
    assert outliers.find(model, [batch()])["x"].apart == ()
    assert outliers.find(model, [batch(3, 7)])["x"].apart == (3, 7)
    padded = batch()
    padded["x"][:, -1, 5] = 1000
    padded["attention_mask"][:, -1] = 0
    found = outliers.find(model, [padded])["x"]
    assert found.apart == ()
    assert found.high < 10


def test_nothing_is_taken_out_where_there_is_no_sum_to_add_it_to(model: Path, tmp_path: Path) -> None:
    alone = onnx.load(model)
    del alone.graph.node[1]
    alone.graph.output[0].name = "product"
    onnx.save(alone, tmp_path / "alone.onnx")
    found = outliers.find(tmp_path / "alone.onnx", [batch(3)])["x"]
    assert found.apart == ()
    assert found.high > 60, "and its range is that of all channels"


def test_more_large_channels_than_are_taken_out_stay_together(model: Path) -> None:
    assert outliers.find(model, [batch(*range(outliers.MOST + 4))])["x"].apart == ()


def test_what_is_calculated_apart_is_nearly_what_floating_point_gives(model: Path, tmp_path: Path) -> None:
    apart, plain = tmp_path / "apart.onnx", tmp_path / "plain.onnx"
    outliers.quantize(model, apart, [batch(3, 7)])
    export.quantize(model, plain, ranges.of(model, [batch(3, 7)], "minmax"))
    fresh = batch(3, 7, seed=5)
    # What the large channels do not say: there the others are lost where one scale has to do for all.
    weights = numpy_helper.to_array(next(one for one in onnx.load(model).graph.initializer if one.name == "w"))
    wanted = run(model, fresh)
    rest = wanted - fresh["x"][..., [3, 7]] @ weights[[3, 7]]
    errors = [np.linalg.norm(run(path, fresh) - wanted) / np.linalg.norm(rest) for path in (apart, plain)]
    assert errors[0] < 0.02 < 0.1 < errors[1]


def test_where_nothing_is_large_the_model_is_the_plain_one(model: Path, tmp_path: Path) -> None:
    apart, plain = tmp_path / "apart.onnx", tmp_path / "plain.onnx"
    outliers.quantize(model, apart, [batch()])
    export.quantize(model, plain, ranges.of(model, [batch()], "minmax"))
    assert [node.op_type for node in onnx.load(apart).graph.node] == [
        node.op_type for node in onnx.load(plain).graph.node
    ]
    np.testing.assert_allclose(run(apart, batch()), run(plain, batch()), atol=1e-4)


@pytest.mark.parametrize(("value", "wider"), [(12.34, 13.0), (-0.1701, -0.18), (99.9, 100.0), (0.0, 0.0)])
def test_steady_ranges_are_rounded_outward_to_two_digits(value: float, wider: float) -> None:
    assert outliers._outward(value) == pytest.approx(wider)
