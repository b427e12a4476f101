"""The task `ner`: the people, organisations and places that a message names."""

from collections.abc import Sequence

from classifyd.api import Task, hookimpl
from classifyd_bert import BertTokenTask


@hookimpl
def register_tasks() -> Sequence[Task]:
    """The task `ner`."""
    return [BertTokenTask("ner")]
