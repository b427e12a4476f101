"""What a training runs on: the device, how it calculates there, and which of several processes this is."""

import os
from dataclasses import dataclass
from typing import Any

import torch

from classifyd.api import TrainingError


@dataclass(frozen=True, slots=True)
class Hardware:
    """The device ("cpu" or "cuda"), "fp32", "bf16" or "fp16", and the place of this process among `processes`.

    There are several where torchrun or accelerate started them, one for each device. Rank 0 is the main one: it alone
    writes and speaks.
    """

    device: str
    precision: str
    processes: int = 1
    rank: int = 0

    @classmethod
    def of(cls, precision: str) -> "Hardware":
        """The machine, as this process is to use it. TrainingError if it does not have the precision asked for."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(device, _precision(precision, device), _environ("WORLD_SIZE", 1), _environ("RANK", 0))

    @property
    def main(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    @property
    def share(self) -> int:
        """How many devices share a batch."""
        return self.processes if self.processes > 1 else max(1, torch.cuda.device_count())

    @property
    def attention(self) -> dict[str, Any]:
        """Arguments of from_pretrained that choose how attention is calculated in training.

        On a CPU in bfloat16 the fused kernel (sdpa) is slower than plain products: 1.27 against 1.02 seconds for a
        step of 32 windows of 128 tokens.
        """
        return {"attn_implementation": "eager"} if (self.device, self.precision) == ("cpu", "bf16") else {}


def _precision(asked: str, device: str) -> str:
    """What "auto" means here: half precision where the hardware has it."""
    if asked == "fp16" and device == "cpu":
        raise TrainingError("precision fp16 needs a GPU; on a CPU use bf16 or fp32")
    if asked != "auto":
        return asked
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # noqa: SLF001  # torch has no public name for it
    return "bf16" if fast else "fp32"


def _environ(name: str, default: int) -> int:
    return int(os.environ.get(name, default))
