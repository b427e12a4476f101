"""Room in a base model for how words are written."""

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from classifyd.api import TrainingError
from classifyd_bert.capitals import KINDS

TELLS = "tells_capitals"
"""The entry in the configuration of a base model that was taught what capitals mean."""


def widen(model: PreTrainedModel, name: str, *, frozen: bool = False) -> None:
    """Give the model a token type for each kind of writing; all begin as its first type, and so change nothing.

    A base that has them is left as it is. TrainingError if the model named so has no token types that texts could
    differ in, or if its embeddings are `frozen`, so that it would never learn what the new ones mean.
    """
    if tells_capitals(model.config):
        return
    embeddings = model.base_model.embeddings
    if getattr(model.config, "type_vocab_size", 0) < 2 or not hasattr(embeddings, "token_type_embeddings"):
        raise TrainingError(
            f"base model {name}: a {model.config.model_type} model has no token types that could tell capitals; "
            "leave out --capitals, which is for models that read everything in small letters"
        )
    if frozen:
        raise TrainingError(
            f"base model {name}: what capitals mean is learnt by the embeddings, which --freeze leaves as they are; "
            "leave out one of --capitals and --freeze, or take a base that knows capitals"
        )
    first = embeddings.token_type_embeddings.weight.detach()[:1]
    embeddings.token_type_embeddings = nn.Embedding(len(KINDS), first.shape[1])
    with torch.no_grad():
        embeddings.token_type_embeddings.weight.copy_(first.expand(len(KINDS), -1))
    model.config.type_vocab_size = len(KINDS)
    setattr(model.config, TELLS, True)


def tells_capitals(config: PretrainedConfig) -> bool:
    """Whether a base model was taught what capitals mean; it must be told them then."""
    return bool(getattr(config, TELLS, False))
