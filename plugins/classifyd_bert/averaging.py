"""The mean of the last epochs' weights, which is often better than any of them (Izmailov et al. 2018).

Epochs near the end of a training lie around the bottom of one valley of the loss; their mean lies nearer to it.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from classifyd_bert import checkpoints

Weights = dict[str, torch.Tensor]


def mean_of_last(folder: Path, count: int) -> Weights | None:
    """The mean of the last `count` checkpoints' weights in `folder`, or of all of them; None if that is one."""
    last = checkpoints.in_order(folder)[-count:] if count else []
    return _mean([load_file(checkpoint / checkpoints.WEIGHTS) for checkpoint in last]) if len(last) > 1 else None


def _mean(several: Sequence[Weights]) -> Weights:
    """Numbers are averaged in float32 and keep their type; what is no floating-point number is the last one's."""
    return {
        name: torch.stack([weights[name].float() for weights in several]).mean(dim=0).to(tensor.dtype)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in several[-1].items()
    }
