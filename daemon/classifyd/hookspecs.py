"""The hooks that a plugin may implement; these docstrings are their documentation."""

from collections.abc import Sequence

import pluggy

from classifyd.api import FileReport, JobReport, Reader, Task, Writer

hookspec = pluggy.HookspecMarker("classifyd")


@hookspec
def register_tasks() -> Sequence[Task]:  # type: ignore[empty-body]  # a specification has no body
    """The tasks that this plugin offers."""


@hookspec
def register_readers() -> Sequence[Reader]:  # type: ignore[empty-body]  # a specification has no body
    """The readers that this plugin offers; one for a suffix that is already served takes its place."""


@hookspec
def register_writers() -> Sequence[Writer]:  # type: ignore[empty-body]  # a specification has no body
    """The writers that this plugin offers; the format's name must be new."""


@hookspec
def job_done(report: JobReport) -> None:
    """Called in a worker of the daemon some time after a job, with its counts: at most once for each.

    What an observer raises is logged and otherwise ignored. One that ends its worker, or takes longer than a minute
    for what it is told, is not told that again.
    """


@hookspec
def file_done(report: FileReport) -> None:
    """Called in a worker of the daemon some time after an input was published or quarantined: at most once for each.

    A daemon that is killed in between does not tell it later: who must know of every input looks at the outputs.
    """
