"""Training: from labelled data to a published bundle, and how good a bundle is on labelled data."""

from classifyd.training.columns import Columns
from classifyd.training.evaluation import Evaluation, evaluate
from classifyd.training.run import TrainOptions, train

__all__ = ["Columns", "Evaluation", "TrainOptions", "evaluate", "train"]
