"""How long texts are in tokens, as training would see them: the base model's tokenizer alone, and no torch."""

from collections.abc import Sequence

from classifyd.api import TextLengths, TrainSetup
from classifyd_bert import base
from classifyd_bert.recipe import Recipe
from classifyd_bert.tokens import Tokenizer


def measure(texts: Sequence[str], setup: TrainSetup, recipe: Recipe) -> TextLengths:
    """Lengths of whole texts, and the recipe's window. TrainingError if the base model is unfit."""
    found = base.find(setup.base_model)
    tokenizer = Tokenizer((found.folder / "tokenizer.json").read_bytes(), recipe.max_length, recipe.stride)
    return TextLengths(tuple(tokenizer.lengths(texts)), recipe.max_length)
