"""The task `sentiment`: a BERT-family model that the kit tunes on labelled texts and serves."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from classifyd.api import Task, hookimpl
from classifyd_bert import BertSequenceTask

RECIPE: Mapping[str, Any] = MappingProxyType({"epochs": 2, "max_length": 256})
"""Where the training differs from the kit's defaults. The command line and the configuration still win."""


@hookimpl
def register_tasks() -> Sequence[Task]:
    """The tasks that this package offers. (For marked stretches of text: BertTokenTask.)"""
    return [BertSequenceTask("sentiment", RECIPE)]
