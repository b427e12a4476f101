"""What runs a model: ONNX Runtime, or OpenVINO where it is installed. Each takes the same file and answers alike."""

import importlib.util
import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from classifyd.api import BundleError, ConfigError, exact_int8
from classifyd_bert.tokens import PAD_MULTIPLE

Feeds = Mapping[str, NDArray[Any]]

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_ERRORS_ONLY = 3


class Runtime(Protocol):
    """A model that was loaded: its `inputs` and `outputs` by name, and a run from the ones to one of the others.

    Windows are padded to the next multiple of `pad_multiple`: few lengths fill batches, many leave little padding. What
    `run` raises where the model cannot be run has no class of its own.
    """

    name: str
    pad_multiple: int
    inputs: frozenset[str]
    outputs: tuple[str, ...]

    def run(self, feeds: Feeds, output: str) -> NDArray[Any]: ...


class OnnxRuntime:
    """A model in ONNX Runtime, on `cpu` or, in half precision, on `cuda`.

    BundleError if it is no model, ConfigError if the device is not there, or what it needs: nothing ever runs elsewhere
    than where it was asked to.
    """

    name = "ONNX Runtime"

    def __init__(self, model: bytes, threads: int, device: str) -> None:
        provider = _provider(device)
        model = _in_halves(model) if device == "cuda" else model
        try:
            self.session = onnxruntime.InferenceSession(model, session_options(threads), providers=[provider])
        except Exception as error:  # the runtime's exceptions have no common base
            raise BundleError(f"model.onnx: ONNX Runtime cannot load it: {error}") from error
        if provider not in self.session.get_providers():
            raise ConfigError(_absent(device))
        self.session.disable_fallback()
        # On a CPU batches are small anyway: with 4 instead of 16 SMS took 0.85 times as long.
        self.pad_multiple = 4 if device == "cpu" else PAD_MULTIPLE
        self.inputs = frozenset(item.name for item in self.session.get_inputs())
        self.outputs = tuple(item.name for item in self.session.get_outputs())

    def run(self, feeds: Feeds, output: str) -> NDArray[Any]:
        """One output of a batch."""
        (found,) = self.session.run([output], dict(feeds))
        return np.asarray(found)


class OpenVino:
    """A model in OpenVINO, on the CPU; errors as above, and ConfigError if it is not installed.

    Products are in eight bits as the model has them, and what lies between in float32: in bfloat16, which is a tenth
    faster, spans scored up to 0.04 away from where they were measured.
    """

    name = "OpenVINO"
    pad_multiple = PAD_MULTIPLE  # it prepares for each shape that it meets: with 8 it took 1.1 times as long

    def __init__(self, model: bytes, threads: int, device: str) -> None:
        if device != "cpu":
            raise ConfigError(f'runtime is "openvino", which runs on the CPU; device is {device!r}')
        if importlib.util.find_spec("openvino") is None:
            raise ConfigError('runtime is "openvino", which is not installed: pip install "classifyd[openvino]"')
        try:
            import openvino  # noqa: PLC0415  # of an extra, and slow to import
        except ImportError as error:
            raise ConfigError(f'runtime is "openvino", which is installed but cannot be used: {error}') from error

        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # Pinned, the workers would all sit on the same cores.
            "ENABLE_CPU_PINNING": False,
            # It prepares for each shape that it meets and would keep 5,000: 600 MB after 1,800 texts, and growing.
            "CPU_RUNTIME_CACHE_CAPACITY": 16,
        }
        try:
            core = openvino.Core()
            self._compiled = core.compile_model(core.read_model(io.BytesIO(model)), "CPU", settings)
            self.inputs = frozenset(item.get_any_name() for item in self._compiled.inputs)
            self.outputs = tuple(item.get_any_name() for item in self._compiled.outputs)
        except Exception as error:  # as above
            raise BundleError(f"model.onnx: OpenVINO cannot load it: {error}") from error
        self._request = self._compiled.create_infer_request()

    def run(self, feeds: Feeds, output: str) -> NDArray[Any]:
        """One output of a batch."""
        self._request.infer(dict(feeds))
        # A copy: the next run writes over what this one gave.
        return np.array(self._request.get_tensor(output).data)


RUNTIMES: Mapping[str, Callable[[bytes, int, str], Runtime]] = MappingProxyType(
    {"onnxruntime": OnnxRuntime, "openvino": OpenVino}
)
DEFAULT = "onnxruntime"
AUTO = "auto"
"""Leaves the runtime to be chosen on each machine (`choosing`); DEFAULT until one was."""


def usable(device: str) -> tuple[str, ...]:
    """The runtimes that are installed and run on the device, DEFAULT first; none is imported for that."""
    found = importlib.util.find_spec("openvino") is not None
    return (DEFAULT, "openvino") if found and device == "cpu" else (DEFAULT,)


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """What ONNX Runtime is told wherever it serves: memory that stays flat, threads that sleep, exact products."""
    options = onnxruntime.SessionOptions()
    # The arena and the memory patterns keep the largest batch's memory for ever; shapes vary and memory must stay flat.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A thread that spins while it waits takes the core of another worker.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # Processors with AVX2 or AVX-512 but without VNNI add two products of eight bits in sixteen, where large ones
    # overflow: spans of the NER model scored up to 0.13 away from where it was measured. Calculated precisely, for 1 to
    # 6 % more time, answers are those of a processor with VNNI. There it would take 1.2 to 1.7 times as long.
    options.add_session_config_entry("session.x64quantprecision", "0" if exact_int8() else "1")
    options.log_severity_level = _ERRORS_ONLY
    return options


def _provider(device: str) -> str:
    if device not in PROVIDERS:
        raise ConfigError(f"device is {device!r}; it must be one of: {', '.join(PROVIDERS)}")
    if PROVIDERS[device] not in onnxruntime.get_available_providers():
        raise ConfigError(_absent(device))
    return PROVIDERS[device]


def _in_halves(model: bytes) -> bytes:
    try:
        from classifyd_bert import halves  # noqa: PLC0415  # needs what is of an extra
    except ImportError as error:
        raise ConfigError(f'device is "cuda", which needs {error.name}: pip install "classifyd[cuda]"') from error
    try:
        return halves.of(model)
    except Exception as error:  # onnx's exceptions have no common base
        raise BundleError(f"model.onnx: cannot be put into half precision: {error}") from error


def _absent(device: str) -> str:
    return (
        f'device is "{device}", but this ONNX Runtime has no {PROVIDERS[device]} that works here; install '
        'onnxruntime-gpu in place of onnxruntime and see that its driver is there, or set device = "cpu"'
    )
