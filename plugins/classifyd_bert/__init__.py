"""The kit that BERT-backed tasks share: a task of your own is `BertSequenceTask("name")` and one hook.

Run time needs numpy, onnxruntime and tokenizers alone, and only once a task is loaded; training is imported when it is
asked for and needs the extra `classifyd[train]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from classifyd.api import Predictor, Setup, TextLengths, TrainedModel, TrainingSets, TrainSetup

__all__ = ["BertSequenceTask", "BertTokenTask"]


@dataclass(frozen=True, slots=True)
class BertSequenceTask:
    """A task that gives each text one of several labels; keeps `classifyd.api.MeasuringTask`."""

    name: str

    def load(self, setup: Setup) -> Predictor:
        """The predictor of the bundle in service. BundleError if there is none or it is unfit."""
        from classifyd_bert.predictor import SequencePredictor  # noqa: PLC0415  # see above

        return SequencePredictor(setup)

    def train(self, sets: TrainingSets, setup: TrainSetup) -> TrainedModel:
        """A model fine-tuned on the sets, quantized, and as good as before. TrainingError if it is not."""
        from classifyd_bert.train import train_sequence  # noqa: PLC0415  # see above

        return train_sequence(sets, setup)

    def measure(self, texts: Sequence[str], setup: TrainSetup) -> TextLengths:
        """The texts' lengths in tokens of the base model. TrainingError if training could not begin."""
        from classifyd_bert.measuring import measure  # noqa: PLC0415  # see above

        return measure(texts, setup)


@dataclass(frozen=True, slots=True)
class BertTokenTask:
    """A task that marks spans of the text; keeps `classifyd.api.MeasuringTask`."""

    name: str

    def load(self, setup: Setup) -> Predictor:
        """The predictor of the bundle in service. BundleError if there is none or it is unfit."""
        from classifyd_bert.predictor import TokenPredictor  # noqa: PLC0415  # see above

        return TokenPredictor(setup)

    def train(self, sets: TrainingSets, setup: TrainSetup) -> TrainedModel:
        """A model fine-tuned on the sets, quantized, and as good as before. TrainingError if it is not."""
        from classifyd_bert.train import train_token  # noqa: PLC0415  # see above

        return train_token(sets, setup)

    def measure(self, texts: Sequence[str], setup: TrainSetup) -> TextLengths:
        """The texts' lengths in tokens of the base model. TrainingError if training could not begin."""
        from classifyd_bert.measuring import measure  # noqa: PLC0415  # see above

        return measure(texts, setup)
