"""Training: from labelled data to a published bundle, and how good a bundle is on labelled data."""

from classifyd.training.columns import Columns
from classifyd.training.evaluation import Evaluation, evaluate
from classifyd.training.run import Prepared, TrainOptions, prepare, train, train_to_url
from classifyd.training.survey import Survey

__all__ = [
    "Columns",
    "Evaluation",
    "Prepared",
    "Survey",
    "TrainOptions",
    "evaluate",
    "prepare",
    "train",
    "train_to_url",
]
