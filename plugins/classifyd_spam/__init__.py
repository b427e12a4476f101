"""The task `spam`: unwanted messages told from wanted ones."""

from collections.abc import Sequence

from classifyd.api import Task, hookimpl
from classifyd_bert import BertSequenceTask


@hookimpl
def register_tasks() -> Sequence[Task]:
    """The task `spam`."""
    return [BertSequenceTask("spam")]
