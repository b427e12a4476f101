"""Has tasks choose what their options leave open, such as the runtime, before they are loaded to serve.

One worker asks them, one after the other. What a task chose is on the disk before it is used, so that all workers, and
the daemon after a restart, load the task alike: the same input gives the same bytes. Whatever goes wrong, the task is
loaded without a choice.
"""

from collections.abc import Iterable, Mapping

import structlog

from classifyd.config import DaemonConfig
from classifyd.jobs import Choose
from classifyd.service.choices import Choices
from classifyd.service.tasks import Pin, Tasks
from classifyd.values import Choice
from classifyd.workers import Outcome

log = structlog.get_logger()


class Choosing:
    """What tasks chose, in a running daemon: asked once for each task and version, and the same until it ends."""

    def __init__(self, config: DaemonConfig, tasks: Tasks) -> None:
        self._config = config
        self._tasks = tasks
        self._choices = Choices(config.state)
        self._questions: dict[Pin, str] = {}

    def job(self, pins: Iterable[Pin]) -> Choose | None:
        """A job that asks the first of these that was not asked yet; None if all were."""
        spec = next(iter(self._tasks.unasked(pins)), None)
        if spec is None:
            return None
        return Choose(spec, self._choices.known, "", self._config.threads, self._config.device)

    def receive(self, job: Choose, outcome: Outcome) -> None:
        """Take in how such a job ended, and keep what was chosen."""
        pin = job.task.name, job.task.version
        self._tasks.choose(*pin, self._options(pin, outcome))

    def give_up(self, versions: Mapping[str, int | None], reasons: Mapping[str, str]) -> bool:
        """Have tasks do without what they chose, since so they cannot be loaded; False if none had chosen anything."""
        found = [(task, versions[task], self._questions.pop((task, versions[task]), None)) for task in reasons]
        given_up = [(task, version, question) for task, version, question in found if question is not None]
        for task, version, question in given_up:
            log.error("choice_given_up", task=task, version=version, error=reasons[task], consequence="loaded without")
            self._choices.remember(question, Choice({}, f"what was chosen cannot be loaded: {reasons[task]}"))
            self._tasks.choose(task, version, {})
        return bool(given_up)

    def _options(self, pin: Pin, outcome: Outcome) -> Mapping[str, str]:
        task, version = pin
        if fault := _fault(outcome, task):
            log.warning("not_chosen", task=task, version=version, error=fault, consequence="loaded without a choice")
            return {}
        assert outcome.report is not None
        if outcome.report.chosen is None:
            return {}
        question, choice = outcome.report.chosen
        remembered = question in self._choices.known
        if not remembered and not self._choices.remember(question, choice):
            return {}
        log.info(
            "chosen", task=task, version=version, options=dict(choice.options), why=choice.why, remembered=remembered
        )
        if choice.options:
            self._questions[pin] = question
        return choice.options


def _fault(outcome: Outcome, task: str) -> str:
    """Why a task was not asked, or did not answer; empty if it did."""
    if outcome.report is None:
        return f"the worker died: {outcome.death}"
    fault = outcome.report.fault or outcome.report.unloadable.get(task)
    return fault.message if fault else ""
