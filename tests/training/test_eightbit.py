"""Products in eight bits, and a last layer that calculates the first token alone: on real exports of small models."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoModelForTokenClassification

from classifyd_bert import eightbit, export, ranges
from classifyd_bert.freezing import FrozenModel
from classifyd_bert.session import Session

pytestmark = pytest.mark.filterwarnings("default")

ROWS, TOKENS = 6, 24


@pytest.fixture(scope="module")
def batch() -> dict[str, NDArray[np.int64]]:
    chance = np.random.default_rng(5)
    ids = chance.integers(5, 40, (ROWS, TOKENS))
    mask = np.ones_like(ids)
    for row in range(ROWS):
        mask[row, TOKENS - 2 * row :] = 0
    return {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def model(base: Path, auto: Any = AutoModelForSequenceClassification) -> Any:
    """A model no two of whose parameters are the same, as in one that was tuned."""
    torch.manual_seed(3)
    made = auto.from_pretrained(base, num_labels=3, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return made


def exported(made: Any, task: str, folder: Path) -> Path:
    return export.to_onnx(made, task, folder)


def logits(path: Path, batch: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
    return Session(path.read_bytes(), 1).run(batch)


@pytest.fixture(scope="module")
def classifier(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(model(base_model), "text-classification", tmp_path_factory.mktemp("classifier"))


def test_every_product_is_in_eight_bits_and_says_nearly_the_same(
    classifier: Path, batch: dict[str, NDArray[np.int64]], tmp_path: Path
) -> None:
    wanted = logits(classifier, batch)
    export.quantize(classifier, tmp_path / "small.onnx", ranges.of(classifier, [batch], "minmax"))
    found = logits(tmp_path / "small.onnx", batch)
    assert np.abs(found - wanted).max() < 0.05 * np.abs(wanted).max()
    assert not np.array_equal(found, wanted)
    small = onnx.load(tmp_path / "small.onnx")
    products = [node for node in small.graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert [node.name for node in products] == export.products(classifier)
    assert all(node.input[6] for node in products), "a bias is added by an operator of its own"
    wide = [one for one in small.graph.initializer if one.data_type == TensorProto.FLOAT and len(one.dims) == 2]
    assert all(min(one.dims) <= 2 for one in wide), "some weights are stored in float"


@pytest.mark.parametrize("method", ranges.METHODS)
def test_ranges_hold_what_goes_into_each_product(
    classifier: Path, batch: dict[str, NDArray[np.int64]], method: str
) -> None:
    found = ranges.of(classifier, [batch, batch], method)
    sources = {node.input[0] for node in eightbit.products(onnx.load(classifier))}
    assert sources == found.keys()
    assert all(low < high for low, high in found.values())


def test_ranges_are_those_of_what_is_read_and_not_of_padding(
    classifier: Path, batch: dict[str, NDArray[np.int64]]
) -> None:
    alone = {name: value[:, :8] for name, value in batch.items()}
    padded = {name: np.pad(value, ((0, 0), (0, 24))) for name, value in alone.items()}
    wanted = ranges.of(classifier, [alone], "minmax")
    for name, found in ranges.of(classifier, [padded], "minmax").items():
        assert found == pytest.approx(wanted[name], rel=1e-3, abs=1e-4)


def test_a_percentile_leaves_out_what_is_rare(classifier: Path, batch: dict[str, NDArray[np.int64]]) -> None:
    (whole, most) = (ranges.of(classifier, [batch], method) for method in ("minmax", "percentile"))
    assert all(whole[name][0] <= low < high <= whole[name][1] for name, (low, high) in most.items())
    assert whole != most


def test_a_product_left_in_float_stays_there_with_narrow_weights(
    classifier: Path, batch: dict[str, NDArray[np.int64]], tmp_path: Path
) -> None:
    names = export.products(classifier)
    export.quantize(classifier, tmp_path / "s.onnx", ranges.of(classifier, [batch], "minmax"), names[:3])
    kinds = {node.name: node.op_type for node in onnx.load(tmp_path / "s.onnx").graph.node}
    assert [kinds[name] for name in names[:4]] == ["MatMul"] * 3 + ["MatMulIntegerToFloat"]
    wanted = logits(classifier, batch)
    assert np.abs(logits(tmp_path / "s.onnx", batch) - wanted).max() < 0.05 * np.abs(wanted).max()


def test_an_answer_in_eight_bits_does_not_depend_on_its_neighbours(
    classifier: Path, batch: dict[str, NDArray[np.int64]], tmp_path: Path
) -> None:
    export.quantize(classifier, tmp_path / "small.onnx", ranges.of(classifier, [batch], "minmax"))
    session = Session((tmp_path / "small.onnx").read_bytes(), 1)
    together = session.run(batch)
    for row in range(ROWS):
        alone = session.run({name: value[row : row + 1] for name, value in batch.items()})
        assert np.array_equal(alone[0], together[row])


def test_the_runtime_fuses_what_it_can(classifier: Path, batch: dict[str, NDArray[np.int64]], tmp_path: Path) -> None:
    export.quantize(classifier, tmp_path / "small.onnx", ranges.of(classifier, [batch], "minmax"))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(tmp_path / "small.onnx", options, providers=["CPUExecutionProvider"])
    found = Counter(node.op_type for node in onnx.load(tmp_path / "fused.onnx").graph.node)
    layers = 2
    assert found["MatMulIntegerToFloat"] == 6 * layers + 2
    assert found["Gelu"] == layers
    assert found["LayerNormalization"] == 2 * layers + 1
    assert found["QuantizeLinear"] == 4 * layers + 2, "something is rounded twice"
    assert found["DequantizeLinear"] == found["Erf"] == found["MatMulInteger"] == 0


# ---------------------------------------------------------------------- the first token


def test_the_last_layer_calculates_the_first_token_alone_and_says_the_same(
    base_model: Path, batch: dict[str, NDArray[np.int64]], tmp_path: Path
) -> None:
    source = exported(model(base_model), "text-classification", tmp_path)
    wanted = logits(source, batch)
    assert export.first_token_alone(source, batch)
    assert logits(source, batch) == pytest.approx(wanted, abs=1e-5)
    assert _rows_of(source, batch, "/bert/encoder/layer.1/intermediate/dense/MatMul_output_0") == (ROWS, 1, 64)
    assert _rows_of(source, batch, "/bert/encoder/layer.0/intermediate/dense/MatMul_output_0") == (ROWS, TOKENS, 64)


@pytest.mark.parametrize("kind", ["token", "mean"])
def test_a_model_that_asks_more_than_the_first_token_is_left_as_it_is(
    base_model: Path, batch: dict[str, NDArray[np.int64]], tmp_path: Path, kind: str
) -> None:
    if kind == "token":
        source = exported(model(base_model, AutoModelForTokenClassification), "token-classification", tmp_path)
    else:
        config = AutoConfig.from_pretrained(base_model, num_labels=3)
        made = FrozenModel.of(base_model, config, of_texts=True)
        source = exported(made, "text-classification", tmp_path)
    before = source.read_bytes()
    assert not export.first_token_alone(source, batch)
    assert source.read_bytes() == before


def test_a_graph_of_another_build_is_left_as_it_is(tmp_path: Path) -> None:
    node = onnx.helper.make_node("Softmax", ["x"], ["y"], name="softmax")
    values = [onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in "xy"]
    path = tmp_path / "model.onnx"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", values[:1], values[1:])), path)
    assert not export.first_token_alone(path, {})


def _rows_of(path: Path, batch: Mapping[str, NDArray[np.int64]], tensor: str) -> tuple[int, ...]:
    """The shape that a tensor inside the model has."""
    graph = onnx.load(path)
    graph.graph.output.append(onnx.ValueInfoProto(name=tensor))
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    asked = {item.name: batch[item.name] for item in session.get_inputs()}
    return tuple(session.run([tensor], asked)[0].shape)
