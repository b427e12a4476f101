"""The one session of a bundle: from verified bytes, in a runtime, on an explicit device, with explicit threads."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifyd.api import BundleError, ConfigError, PredictionFailed
from classifyd_bert.external import has_external_data
from classifyd_bert.runtimes import AUTO, DEFAULT, RUNTIMES, Feeds

_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
STATES, UPWARD = "states", "upward"
"""What a part of a model takes of the part below it, and what it gives the one above."""


@dataclass(frozen=True, slots=True)
class Takes:
    """The inputs that a model must have, and those that it may have besides."""

    needed: frozenset[str]
    known: frozenset[str]


WHOLE = Takes(frozenset({"input_ids", "attention_mask"}), _INPUTS)
BRANCH = Takes(frozenset({STATES, "attention_mask"}), _INPUTS | {STATES})


class Session:
    """A model ready to run on `threads` threads of `device`, `cpu` or `cuda`, by one of RUNTIMES; AUTO is the default.

    `takes` are the inputs that it must and may have. BundleError if the bytes are no such model or point to data
    outside themselves; ConfigError if the runtime or the device is not there.
    """

    def __init__(
        self, model: bytes, threads: int, device: str = "cpu", runtime: str = DEFAULT, takes: Takes = WHOLE
    ) -> None:
        runtime = DEFAULT if runtime == AUTO else runtime
        if runtime not in RUNTIMES:
            raise ConfigError(f"runtime is {runtime!r}; it must be one of: {', '.join(RUNTIMES)}")
        _refuse_external_data(model)
        self.runtime = RUNTIMES[runtime](model, threads, device)
        self._output = _only_output(self.runtime.outputs)
        if not takes.needed <= self.runtime.inputs <= takes.known:
            raise BundleError(
                f"model.onnx: takes {', '.join(sorted(self.runtime.inputs))}; it must take "
                f"{' and '.join(sorted(takes.needed))}, and may take {', '.join(sorted(takes.known - takes.needed))}. "
                "Export it again."
            )

    def run(self, inputs: Feeds) -> NDArray[np.float32]:
        """The logits of a batch, float32: (rows, labels), or (rows, tokens, labels) for a model that tags tokens.

        `inputs` are int64 of shape (rows, tokens); token types that are not given are all 0. Parts of a model take and
        give states besides: float32, (rows, tokens, width). PredictionFailed if the model cannot run, or if
        anything that it gives is not a finite number.
        """
        ids = inputs["input_ids"]
        feeds = {"token_type_ids": np.zeros_like(ids), **inputs}
        try:
            logits = self.runtime.run({name: feeds[name] for name in self.runtime.inputs}, self._output)
        except Exception as error:  # the runtimes' exceptions have no common base
            raise PredictionFailed(f"{self.runtime.name} failed on a batch of shape {ids.shape}: {error}") from error
        if not np.isfinite(logits).all():
            raise PredictionFailed(f"the model gave what are no finite numbers for a batch of shape {ids.shape}")
        return np.asarray(logits, np.float32)


def _refuse_external_data(model: bytes) -> None:
    try:
        external = has_external_data(model)
    except ValueError as error:
        raise BundleError(f"model.onnx: is not an ONNX model ({error}); restore the file or roll back") from error
    if external:
        raise BundleError("model.onnx: keeps weights in another file, which is refused; export it as one file")


def _only_output(names: tuple[str, ...]) -> str:
    if "logits" in names:
        return "logits"
    if len(names) == 1:
        return names[0]
    raise BundleError(f'model.onnx: gives {", ".join(names)}, none of them called "logits"; export it again')
