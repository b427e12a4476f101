"""The frozen values that modules hand each other, from a message to its labels."""

from classifyd.values.answers import AnnotatedRecord, Annotation, Explanation, Label, ReadWindow, Span, WriteOptions
from classifyd.values.empty import EMPTY
from classifyd.values.models import BLOBS, Bundle, Choice, Setup
from classifyd.values.records import Cut, Fault, Limits, ReadOptions, Record, Source
from classifyd.values.training import (
    Example,
    Report,
    ReportSetup,
    TextLengths,
    TrainedModel,
    TrainingSets,
    TrainSetup,
    Trial,
)

__all__ = [
    "BLOBS",
    "EMPTY",
    "AnnotatedRecord",
    "Annotation",
    "Bundle",
    "Choice",
    "Cut",
    "Example",
    "Explanation",
    "Fault",
    "Label",
    "Limits",
    "ReadOptions",
    "ReadWindow",
    "Record",
    "Report",
    "ReportSetup",
    "Setup",
    "Source",
    "Span",
    "TextLengths",
    "TrainSetup",
    "TrainedModel",
    "TrainingSets",
    "Trial",
    "WriteOptions",
]
