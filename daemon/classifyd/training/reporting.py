"""The report of a trial, written into a folder: Markdown with its plots beside it, and the same as one HTML page."""

from collections.abc import Sequence
from pathlib import Path

from classifyd import __version__
from classifyd.api import ReportingTask, ReportSetup, Task, Trial
from classifyd.errors import TrainingError
from classifyd.training import page
from classifyd.training.preparing import digest
from classifyd.values import TrainingSets

REPORT = "report.md"


def write_report(
    task: Task, trial: Trial, folder: Path, data: Sequence[str], command: str, *, texts: bool
) -> tuple[Path, Path]:
    """The Markdown and the HTML file that were written into `folder`; without `texts` no word of the data is in them.

    `data` and `command` are as they were given. TrainingError if the task reports nothing, or the folder cannot be
    written.
    """
    if not isinstance(task, ReportingTask):
        raise TrainingError(f"task {task.name!r} makes no reports; its plugin offers no report()")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = task.report(trial, ReportSetup(folder, texts))
        whole = _head(trial, data, command) + made.markdown
        for name, content in ((REPORT, whole), (page.NAME, page.of(trial.model, whole, made.plots))):
            (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"--report {folder}: cannot be written: {error}") from error
    return folder / REPORT, folder / page.NAME


def _head(trial: Trial, data: Sequence[str], command: str) -> str:
    """What was measured, on what, and how to do it again."""
    rows = [
        ("Model", trial.model),
        ("Manifest", f"sha256 `{trial.bundle.digest}`" if trial.bundle else "none"),
        ("Command", f"`{command}`"),
        ("Data", ", ".join(f"`{name}`" for name in data)),
        ("Data digest", f"`{digest(TrainingSets((), (), trial.examples, ()))}` (sha256 of the texts and labels)"),
        ("classifyd", __version__),
    ]
    table = "".join(f"| {name} | {value} |\n" for name, value in rows)
    return f"# {trial.model} on {len(trial.examples):,} texts\n\n| | |\n|---|---|\n{table}\n"
