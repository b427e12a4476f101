"""A session runs verified bytes where it was told to, or says why not."""

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
from onnx import TensorProto, helper, numpy_helper

from classifyd.api import BundleError, ConfigError, PredictionFailed
from classifyd_bert.external import has_external_data
from classifyd_bert.runtimes import RUNTIMES, OnnxRuntime
from classifyd_bert.session import Session

IDS = np.ones((2, 16), np.int64)
INPUTS = {"input_ids": IDS, "attention_mask": IDS}


def graph(*inputs: str, factor: float = 1.0, external: bool = False, outputs: tuple[str, ...] = ("logits",)) -> bytes:
    """A model that sums float(ids) * factor."""
    weight = numpy_helper.from_array(np.array([[factor]], np.float32), "weight")
    if external:
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value="../../secret")
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["float"], to=TensorProto.FLOAT),
        *(helper.make_node("Mul", ["float", "weight"], [name]) for name in outputs),
    ]
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["r", "t"]) for name in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["r", "t"]) for name in outputs],
        [weight],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("inputs", [("input_ids", "attention_mask"), ("input_ids", "attention_mask", "token_type_ids")])
def test_the_graph_says_whether_token_types_are_wanted(inputs: tuple[str, ...]) -> None:
    assert Session(graph(*inputs), 1).run(INPUTS).tolist() == IDS.tolist()


def test_logits_have_a_row_per_window_or_per_token() -> None:
    assert Session(tiny.model("sequence", 3), 1).run(INPUTS).shape == (2, 3)
    assert Session(tiny.model("token", 5), 1).run(INPUTS).shape == (2, 16, 5)


def test_the_arena_and_the_patterns_that_would_keep_the_largest_batchs_memory_are_off() -> None:
    runtime = Session(tiny.model("sequence", 2), 1).runtime
    assert isinstance(runtime, OnnxRuntime)
    options = runtime.session.get_session_options()
    assert not options.enable_cpu_mem_arena
    assert not options.enable_mem_pattern


@pytest.mark.parametrize("kind", ["sequence", "token"])
def test_every_runtime_says_the_same_of_the_same_model(kind: str) -> None:
    chance = np.random.default_rng(2)
    ids = chance.integers(5, 30, (4, 32))
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    said = {name: Session(tiny.model(kind, 3), 1, runtime=name).run(inputs) for name in RUNTIMES}
    assert said["openvino"].shape == said["onnxruntime"].shape
    assert said["openvino"] == pytest.approx(said["onnxruntime"], abs=1e-3)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_one_run_gave_outlives_the_next_and_does_not_depend_on_neighbours(runtime: str) -> None:
    session = Session(tiny.model("sequence", 3), 1, runtime=runtime)
    ids = np.arange(64).reshape(4, 16) % 25 + 5
    together = session.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})
    before = together.copy()
    for row in range(4):
        alone = session.run({"input_ids": ids[row : row + 1], "attention_mask": np.ones((1, 16), np.int64)})
        assert np.array_equal(alone[0], together[row])
    assert np.array_equal(before, together)


def test_an_unknown_runtime_is_told_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="runtime is 'tensorrt'; it must be one of: onnxruntime, openvino"):
        Session(tiny.model("sequence", 2), 1, runtime="tensorrt")


def test_openvino_says_how_to_get_it_and_that_it_has_no_other_device(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="which runs on the CPU; device is 'cuda'"):
        Session(tiny.model("sequence", 2), 1, "cuda", "openvino")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'not installed: pip install "classifyd\[openvino\]"'):
        Session(tiny.model("sequence", 2), 1, runtime="openvino")


def test_a_logit_that_is_no_number_fails_the_prediction() -> None:
    with pytest.raises(PredictionFailed, match="no finite numbers"):
        Session(graph("input_ids", "attention_mask", factor=float("nan")), 1).run(INPUTS)


def test_a_batch_that_the_model_cannot_take_fails_the_prediction() -> None:
    with pytest.raises(PredictionFailed, match=r"failed on a batch of shape \(2, 80\)"):
        Session(tiny.model("sequence", 2), 1).run({name: np.ones((2, 80), np.int64) for name in INPUTS})


@pytest.mark.parametrize("inputs", [("input_ids",), ("input_ids", "attention_mask", "pixels")])
def test_a_model_with_other_inputs_is_refused(inputs: tuple[str, ...]) -> None:
    with pytest.raises(BundleError, match="it must take attention_mask and input_ids"):
        Session(graph(*inputs), 1)


def test_a_model_without_a_clear_output_is_refused() -> None:
    with pytest.raises(BundleError, match='none of them called "logits"'):
        Session(graph("input_ids", "attention_mask", outputs=("a", "b")), 1)


def test_a_model_that_keeps_weights_elsewhere_is_refused() -> None:
    with pytest.raises(BundleError, match="keeps weights in another file, which is refused"):
        Session(graph("input_ids", "attention_mask", external=True), 1)


def test_weights_kept_elsewhere_are_found_inside_branches_and_constants() -> None:
    tensor = onnx.load_from_string(graph("input_ids", external=True)).graph.initializer[0]
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    branch = helper.make_graph([constant], "branch", [], [])
    choice = helper.make_node("If", ["condition"], ["y"], then_branch=branch, else_branch=branch)
    for node in (constant, choice):
        model = helper.make_model(helper.make_graph([node], "g", [], []))
        assert has_external_data(model.SerializeToString())
    assert not has_external_data(tiny.model("sequence", 2))


@pytest.mark.parametrize("data", [b"\xff" * 40, b"not a model", tiny.model("sequence", 2)[:-100], b""])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_bytes_that_are_no_model_are_refused(data: bytes, runtime: str) -> None:
    with pytest.raises(BundleError, match=r"model\.onnx"):
        Session(data, 1, runtime=runtime)


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is here")
def test_cuda_asked_for_and_absent_is_an_error_not_the_cpu() -> None:
    with pytest.raises(ConfigError, match='device is "cuda", but this ONNX Runtime has no CUDAExecutionProvider'):
        Session(tiny.model("sequence", 2), 1, "cuda")


def test_an_unknown_device_is_told_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="device is 'tpu'; it must be one of: cpu, cuda"):
        Session(tiny.model("sequence", 2), 1, "tpu")
