"""What the PyTorch model itself says, in float32: what every export is measured against."""

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from classifyd_bert.features import Windows
from classifyd_bert.microbatch import plan
from classifyd_bert.predictor import Reading, together
from classifyd_bert.tokens import Tokenizer, pad


def read(model: PreTrainedModel, tokenizer: Tokenizer, texts: Sequence[str]) -> list[Reading]:
    """What the model sees of each text, in order, through the same windows and batches as at run time."""
    windows = tokenizer.windows(texts)
    logits: dict[int, NDArray[Any]] = {}
    for batch in plan([window.padded for window in windows]):
        inputs = pad([windows[place] for place in batch], tokenizer.pad_id)
        with torch.inference_mode():
            output = model(**{name: torch.from_numpy(value).to(model.device) for name, value in inputs.items()})
        logits.update(zip(batch, output.logits.float().cpu().numpy(), strict=True))
    return together(windows, [logits[place] for place in range(len(windows))], texts)


def of_windows(windows: Windows, logits: Sequence[NDArray[Any]], texts: Sequence[str]) -> list[Reading]:
    """The readings of all texts from their windows in whatever order, with the logits of each."""
    order = sorted(range(len(logits)), key=lambda place: (windows.windows[place].text, windows.windows[place].start))
    return together([windows.windows[place] for place in order], [logits[place] for place in order], texts)
