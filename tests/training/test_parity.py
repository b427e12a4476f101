"""Eight bits where they do no harm: which products suffer, and a ladder that ends where nothing is lost."""

import itertools
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from classifyd.api import TrainingError
from classifyd_bert import export, parity, sensitivity
from classifyd_bert.parity import Attempt, Form, Parity

PRODUCTS = [f"product{number}" for number in range(12)]
WHOLE = Form(1.0, 0.9, 0, 2.0)


def judged(attempt: Attempt, agreement: float, macro_f1: float = 0.9) -> Parity:
    return Parity(attempt, WHOLE, WHOLE, Form(agreement, macro_f1, 1, 1.0))


def test_ever_more_products_stay_in_float_until_all_do() -> None:
    ladder = list(itertools.chain.from_iterable(parity.rungs(PRODUCTS)))
    kept = [len(one.in_float) for one in ladder]
    assert kept == sorted(kept)
    assert (kept[0], kept[-1], ladder[-1].method) == (0, 12, "weights")
    assert all(one.in_float == tuple(PRODUCTS[: len(one.in_float)]) for one in ladder)


def test_a_model_that_only_weights_in_eight_bits_leave_alone_is_published() -> None:
    heard: list[str] = []
    found = parity.best_that_passes(
        parity.rungs(PRODUCTS), lambda one: judged(one, 0.9997 if one.method == "weights" else 0.994), heard.append
    )
    assert str(found.attempt) == "int8 weights, all products in float"
    assert len(heard) == sum(len(rung) for rung in parity.rungs(PRODUCTS))


@pytest.mark.parametrize(
    ("found", "taken"), [((0.9, 0.899), "minmax"), ((0.899, 0.9), "percentile"), ((0.9, 0.9), "percentile")]
)
def test_of_the_first_rung_where_any_passes_the_best_is_taken(found: tuple[float, float], taken: str) -> None:
    told: list[str] = []
    forms = {"minmax": (0.996, found[0]), "percentile": (0.998, found[1]), "apart": (0.999, 0.91)}

    def attempt(one: Attempt) -> Parity:
        return judged(one, *((0.9, 0.9) if one.in_float else forms[one.method]))

    assert parity.best_that_passes(parity.rungs(PRODUCTS), attempt, told.append).attempt == Attempt(taken)
    assert len(told) == 2, "what is slower was not tried"


@pytest.mark.parametrize(
    ("agreement", "macro_f1", "passes"), [(0.995, 0.8971, True), (0.9949, 0.9, False), (1, 0.896, False)]
)
def test_the_gate_is_that_of_the_design(agreement: float, macro_f1: float, passes: bool) -> None:
    assert judged(Attempt("minmax"), agreement, macro_f1).passed is passes


def test_a_model_that_nothing_helps_is_refused_with_what_to_do() -> None:
    with pytest.raises(TrainingError, match=r"nothing is published. Best: int8 weights.*--quantize none"):
        parity.best_that_passes(
            parity.rungs(PRODUCTS), lambda one: judged(one, len(one.in_float) / 100), lambda _: None
        )


def graph(tmp_path: Path, *weights: np.ndarray) -> Path:
    """A model of products one after the other, each taking what the one before gave."""
    nodes, value = [], "input_ids_float"
    nodes.append(helper.make_node("Cast", ["input_ids"], [value], to=TensorProto.FLOAT))
    for number, _ in enumerate(weights):
        nodes.append(helper.make_node("MatMul", [value, f"w{number}"], [f"v{number}"], name=f"product{number}"))
        value = f"v{number}"
    made = helper.make_graph(
        nodes,
        "products",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["n", 4, 8])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(one.astype(np.float32), f"w{number}") for number, one in enumerate(weights)],
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_the_product_whose_input_holds_an_outlier_is_the_most_sensitive() -> None:
    chance = np.random.default_rng(0)
    values, weights = chance.normal(size=(64, 8)), chance.normal(size=(8, 8))
    outlier = values.copy()
    outlier[0, 0] = 200
    assert sensitivity.error(outlier, weights) > 10 * sensitivity.error(values, weights)


def test_the_error_is_that_of_quantized_arithmetic_and_none_where_eight_bits_suffice() -> None:
    values = np.array([[0.0, 1.0], [255.0, 17.0]])
    assert sensitivity.error(values, np.array([[127.0, -3.0], [1.0, 127.0]])) == pytest.approx(0, abs=1e-12)


def test_products_are_ranked_by_what_reaches_them(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    even = np.eye(8)
    spread = np.eye(8)
    spread[0, 0] = 300  # what follows it sees one feature hundreds of times larger than the others
    source = graph(tmp_path, even, spread, chance.normal(size=(8, 8)) * np.r_[1e-3, np.ones(7)][:, None])
    ids = chance.integers(0, 50, (2, 4, 8))
    batch = {"input_ids": ids, "attention_mask": np.ones((2, 4, 8), np.int64)}
    names = export.products(source)
    assert sensitivity.ranked(source, names, batch)[0] == "product2"


def test_narrow_weights_change_the_result_by_next_to_nothing(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    source = graph(tmp_path, chance.normal(size=(8, 256)), chance.normal(size=(256, 8)))
    target = tmp_path / "narrow.onnx"
    export.narrow_weights(source, target)
    feeds = {"input_ids": chance.integers(0, 50, (2, 4, 8)), "attention_mask": np.ones((2, 4, 8), np.int64)}
    whole, narrow = (onnxruntime.InferenceSession(path).run(None, feeds)[0] for path in (source, target))
    assert np.abs(whole - narrow).max() < 0.02 * np.abs(whole).max()
    stored = {
        tensor.data_type
        for tensor in onnx.load(target).graph.initializer
        if len(tensor.dims) == 2 and min(tensor.dims) > 1
    }
    assert stored == {TensorProto.INT8}
