"""Training: from labelled data to a published bundle, and how good a bundle is on labelled data."""

from classifyd.training.columns import Columns
from classifyd.training.comparison import Comparison, compare
from classifyd.training.evaluation import Evaluation, by_source, evaluate, labelled, try_on
from classifyd.training.reporting import write_report
from classifyd.training.run import TrainOptions, train

__all__ = [
    "Columns",
    "Comparison",
    "Evaluation",
    "TrainOptions",
    "by_source",
    "compare",
    "evaluate",
    "labelled",
    "train",
    "try_on",
    "write_report",
]
