"""The one ONNX Runtime session of a bundle: from verified bytes, on an explicit device, with explicit threads."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from classifyd.api import BundleError, ConfigError, PredictionFailed, exact_int8
from classifyd_bert.external import has_external_data

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
_ERRORS_ONLY = 3


class Session:
    """A model ready to run on `threads` threads of `device`, `cpu` or `cuda`.

    BundleError if the bytes are no model of this kind or point to data outside themselves; ConfigError if the device
    is not there: nothing ever runs elsewhere than where it was asked to.
    """

    def __init__(self, model: bytes, threads: int, device: str = "cpu") -> None:
        provider = _provider(device)
        _refuse_external_data(model)
        try:
            self._session = onnxruntime.InferenceSession(model, _options(threads), providers=[provider])
        except Exception as error:  # the runtime's exceptions have no common base
            raise BundleError(f"model.onnx: ONNX Runtime cannot load it: {error}") from error
        if provider not in self._session.get_providers():
            raise ConfigError(_absent(device))
        self._session.disable_fallback()
        self._inputs = {item.name for item in self._session.get_inputs()}
        self._output = _only_output(self._session)
        if not {"input_ids", "attention_mask"} <= self._inputs <= _INPUTS:
            raise BundleError(
                f"model.onnx: takes {', '.join(sorted(self._inputs))}; it must take input_ids and attention_mask, "
                "and may take token_type_ids. Export it again."
            )

    def run(self, inputs: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        """The logits of a batch, float32: (rows, labels), or (rows, tokens, labels) for a model that tags tokens.

        `inputs` are int64 of shape (rows, tokens); token types that are not given are all 0. PredictionFailed if the
        model cannot run, or if any logit is not a finite number.
        """
        ids = inputs["input_ids"]
        feeds: Mapping[str, Any] = {"token_type_ids": np.zeros_like(ids), **inputs}
        try:
            (logits,) = self._session.run([self._output], {name: feeds[name] for name in self._inputs})
        except Exception as error:  # as above
            raise PredictionFailed(f"ONNX Runtime failed on a batch of shape {ids.shape}: {error}") from error
        if not np.isfinite(logits).all():
            raise PredictionFailed(f"the model gave logits that are no finite numbers for a batch of shape {ids.shape}")
        return np.asarray(logits, np.float32)


def _options(threads: int) -> onnxruntime.SessionOptions:
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


def _absent(device: str) -> str:
    return (
        f'device is "{device}", but this ONNX Runtime has no {PROVIDERS[device]} that works here; install '
        'onnxruntime-gpu in place of onnxruntime and see that its driver is there, or set device = "cpu"'
    )


def _refuse_external_data(model: bytes) -> None:
    try:
        external = has_external_data(model)
    except ValueError as error:
        raise BundleError(f"model.onnx: is not an ONNX model ({error}); restore the file or roll back") from error
    if external:
        raise BundleError("model.onnx: keeps weights in another file, which is refused; export it as one file")


def _only_output(session: onnxruntime.InferenceSession) -> str:
    names = [output.name for output in session.get_outputs()]
    if "logits" in names:
        return "logits"
    if len(names) == 1:
        return str(names[0])
    raise BundleError(f'model.onnx: gives {", ".join(names)}, none of them called "logits"; export it again')
