"""Training: from labelled data to a published bundle, and how good a bundle is on labelled data."""

from classifyd.training.columns import Columns
from classifyd.training.comparison import Comparison, compare
from classifyd.training.evaluation import Evaluation, by_source, evaluate, labelled, try_on
from classifyd.training.options import TrainOptions
from classifyd.training.preparing import Prepared, prepare
from classifyd.training.reporting import write_report
from classifyd.training.run import train, train_to_url
from classifyd.training.survey import Survey

__all__ = [
    "Columns",
    "Comparison",
    "Evaluation",
    "Prepared",
    "Survey",
    "TrainOptions",
    "by_source",
    "compare",
    "evaluate",
    "labelled",
    "prepare",
    "train",
    "train_to_url",
    "try_on",
    "write_report",
]
