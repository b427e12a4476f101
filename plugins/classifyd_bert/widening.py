"""Room in a base model for how words are written."""

import torch
from torch import nn
from transformers import PreTrainedModel

from classifyd.api import TrainingError
from classifyd_bert.capitals import KINDS


def widen(model: PreTrainedModel, name: str) -> None:
    """Give the model a token type for each kind of writing; all begin as its first type, and so change nothing.

    TrainingError if the model named so has no token types that texts could differ in.
    """
    embeddings = model.base_model.embeddings
    if getattr(model.config, "type_vocab_size", 0) < 2 or not hasattr(embeddings, "token_type_embeddings"):
        raise TrainingError(
            f"base model {name}: a {model.config.model_type} model has no token types that could tell capitals; "
            "leave out --capitals, which is for models that read everything in small letters"
        )
    first = embeddings.token_type_embeddings.weight.detach()[:1]
    embeddings.token_type_embeddings = nn.Embedding(len(KINDS), first.shape[1])
    with torch.no_grad():
        embeddings.token_type_embeddings.weight.copy_(first.expand(len(KINDS), -1))
    model.config.type_vocab_size = len(KINDS)
