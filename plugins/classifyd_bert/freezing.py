"""Leaving an encoder, or its lowest layers, as the base model has them; and what learns on top of all of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ModelOutput, SequenceClassifierOutput

from classifyd.api import TrainingError
from classifyd_bert.microbatch import plan
from classifyd_bert.tokens import Window, pad


def freeze(model: PreTrainedModel, count: int) -> None:
    """Leave the embeddings and the `count` lowest layers as they are."""
    encoder = model.base_model
    layers = _layers(encoder)
    if count > len(layers):
        raise TrainingError(f"freeze {count}: the base model has {len(layers)} layers")
    for module in (encoder.embeddings, *layers[:count]):
        module.requires_grad_(requires_grad=False)


def _layers(encoder: nn.Module) -> Sequence[nn.Module]:
    """The encoder's layers, lowest first: its longest list of modules, whatever the family calls it."""
    lists = [list(module) for module in encoder.modules() if isinstance(module, nn.ModuleList)]
    return max(lists, key=len)


class Dense(nn.Module):
    """What learns on top of a frozen encoder: a dense layer as wide as the encoder, and one that feeds the softmax."""

    def __init__(self, width: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.outputs = nn.Linear(width, outputs)

    def forward(self, features: Tensor, labels: Tensor | None = None) -> ModelOutput:  # noqa: ARG002  # the Trainer looks for the name
        """Logits of features, (…, width) to (…, outputs)."""
        hidden = nn.functional.gelu(self.hidden(self.dropout(features)))
        return SequenceClassifierOutput(logits=self.outputs(self.dropout(hidden)))


class FrozenModel(PreTrainedModel):
    """An encoder as the base model has it under a Dense of its own.

    For labels of whole texts the features are the mean over the tokens, which says more than the first token in an
    encoder that was not tuned for the task; for spans they are each token's.
    """

    # optimum tells whose a model is by the module of its class.
    __module__ = "transformers"
    config_class = PretrainedConfig
    base_model_prefix = "encoder"

    def __init__(self, encoder: PreTrainedModel, outputs: int, *, of_texts: bool) -> None:
        super().__init__(encoder.config)
        self.encoder = encoder.requires_grad_(requires_grad=False)
        dropout = getattr(encoder.config, "hidden_dropout_prob", 0.1)
        self.head = Dense(encoder.config.hidden_size, outputs, dropout)
        self._of_texts = of_texts

    @classmethod
    def of(cls, folder: Any, config: PretrainedConfig, *, of_texts: bool) -> "FrozenModel":
        """The encoder in that folder, with as many outputs as the config names."""
        # Attention spelt out is what every family knows how to do, and how optimum exports it.
        arguments = {"config": config, "use_safetensors": True, "attn_implementation": "eager"}
        made = cls(AutoModel.from_pretrained(folder, **arguments), config.num_labels, of_texts=of_texts)
        made.eval()
        return made

    def features(self, input_ids: Tensor, attention_mask: Tensor, **inputs: Any) -> Tensor:
        """What the head gets: (rows, width), or (rows, tokens, width) for spans."""
        states: Tensor = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **inputs).last_hidden_state
        if not self._of_texts:
            return states
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        return (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> ModelOutput:
        """Logits, as transformers' own classifiers give them."""
        inputs = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        return self.head(self.features(input_ids, attention_mask, **inputs))


def remember(model: FrozenModel, windows: Sequence[Window], pad_id: int) -> list[NDArray[np.float32]]:
    """The features of each window, calculated once: an encoder that does not change says the same in each epoch."""
    found: dict[int, NDArray[np.float32]] = {}
    for batch in plan([window.padded for window in windows]):
        inputs = pad([windows[place] for place in batch], pad_id)
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(value).to(model.device) for name, value in inputs.items()}
            rows = model.features(**tensors).float().cpu().numpy()
        for place, row in zip(batch, rows, strict=True):
            # A copy: a view would keep the padding of the whole batch alive.
            found[place] = row.copy() if row.ndim == 1 else row[: len(windows[place].ids)].copy()
    return [found[place] for place in range(len(windows))]


class Stack:
    """Batches of remembered features. Those of spans are padded with zeros, their labels with what the loss ignores."""

    def __init__(self, ignored: int) -> None:
        self._ignored = ignored

    def __call__(self, items: Sequence[Any]) -> dict[str, Tensor]:
        """Tensors of the items' features, labels and shares."""
        rows = [torch.from_numpy(item["features"]) for item in items]
        labels = [torch.as_tensor(item["labels"]) for item in items]
        if rows[0].ndim > 1:
            rows, labels = self._padded(rows, labels)
        batch = {"features": torch.stack(list(rows)), "labels": torch.stack(list(labels))}
        if "shares" in items[0]:
            batch["shares"] = torch.tensor([item["shares"] for item in items], dtype=torch.float32)
        return batch

    def _padded(self, rows: list[Tensor], labels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        pad_rows, pad_labels = nn.utils.rnn.pad_sequence, nn.utils.rnn.pad_sequence
        return (
            list(pad_rows(rows, batch_first=True)),
            list(pad_labels(labels, batch_first=True, padding_value=self._ignored)),
        )
