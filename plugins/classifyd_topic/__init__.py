"""The task `topic`: what a message is about."""

from collections.abc import Sequence

from classifyd.api import Task, hookimpl
from classifyd_bert import BertSequenceTask


@hookimpl
def register_tasks() -> Sequence[Task]:
    """The task `topic`."""
    return [BertSequenceTask("topic")]
