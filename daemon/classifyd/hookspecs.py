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
    """Called in a worker after a job, with its counts; what it raises is logged and otherwise ignored."""


@hookspec
def file_done(report: FileReport) -> None:
    """Called in a worker after an input was published or quarantined; at least once for each, across restarts."""
