"""What tasks chose is on the disk before it is used, and whatever goes wrong they serve without it."""

import json
from types import SimpleNamespace

import pytest

from classifyd.config import DaemonConfig
from classifyd.reports import JobReport
from classifyd.service.choices import FILE, KEPT, Choices
from classifyd.service.choosing import Choosing
from classifyd.service.tasks import Tasks
from classifyd.values import Choice, Fault
from classifyd.workers import Outcome

FAST = Choice({"runtime": "fast"}, "it was faster")
PINS = [("spam", None), ("topic", None)]


class Play:
    """The choosing of one start of a daemon over a state folder."""

    def __init__(self, state):
        inbox = SimpleNamespace(tasks=("spam", "topic"))
        self.tasks = Tasks(SimpleNamespace(models=state / "models", inboxes=(inbox,), tasks={}))
        self.choosing = Choosing(DaemonConfig(state), self.tasks)

    def answer(self, report=None, **outcome):
        job = self.choosing.job(PINS)
        self.choosing.receive(job, Outcome(0, job, report, **outcome))
        return job

    def options(self, task="spam"):
        (spec,) = self.tasks.specs([task], {})
        return dict(spec.options)


@pytest.fixture
def play(tmp_path):
    return Play(tmp_path)


def on_disk(folder):
    return Choices(folder).known


def test_each_task_is_asked_once_and_loaded_with_what_it_chose(play, tmp_path):
    assert ["spam", "topic"] == [
        play.answer(JobReport(chosen=("q1", FAST))).task.name,
        play.answer(JobReport()).task.name,
    ]
    assert play.choosing.job(PINS) is None
    assert ({"runtime": "fast"}, {}) == (play.options("spam"), play.options("topic"))
    assert {"q1": FAST} == on_disk(tmp_path)


def test_the_next_start_hands_on_what_was_chosen(play, tmp_path):
    play.answer(JobReport(chosen=("q1", FAST)))
    again = Play(tmp_path)
    job = again.answer(JobReport(chosen=("q1", FAST)))
    assert {"q1": FAST} == job.known
    assert {"runtime": "fast"} == again.options()


@pytest.mark.parametrize(
    "outcome",
    [
        {"death": "killed"},
        {"report": JobReport(unloadable={"spam": Fault("BundleError", "unfit")})},
        {"report": JobReport(fault=Fault("DiskFault", "full"))},
    ],
)
def test_a_task_that_could_not_choose_is_loaded_without(play, tmp_path, outcome):
    play.answer(**outcome)
    assert {} == play.options()
    assert "topic" == play.choosing.job(PINS).task.name
    assert {} == on_disk(tmp_path)


def test_what_cannot_be_kept_is_not_used(play, tmp_path):
    (tmp_path / f".{FILE}").mkdir()
    play.answer(JobReport(chosen=("q1", FAST)))
    assert ({}, {}) == (play.options(), on_disk(tmp_path))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"fast", b"last"),
        lambda data: b"[" * 100_000,
        lambda data: b"\xff\xfe",
        lambda data: b'{"choices": 3}',
        lambda data: b"[]",
    ],
)
def test_a_damaged_file_is_told_and_holds_nothing(play, tmp_path, capsys, damage):
    play.answer(JobReport(chosen=("q1", FAST)))
    path = tmp_path / FILE
    path.write_bytes(damage(path.read_bytes()))
    capsys.readouterr()
    assert {} == on_disk(tmp_path)
    assert "choices_unreadable" in capsys.readouterr().out
    fresh = Play(tmp_path)
    fresh.answer(JobReport(chosen=("q1", FAST)))
    assert {"q1": FAST} == on_disk(tmp_path)


def test_what_cannot_be_loaded_is_given_up_for_good(play, tmp_path):
    play.answer(JobReport(chosen=("q1", FAST)))
    play.answer(JobReport())
    versions = dict(PINS)
    assert play.choosing.give_up(versions, {"spam": "no memory to execute"})
    assert {} == play.options()
    assert not play.choosing.give_up(versions, {"spam": "no memory to execute"})
    assert not play.choosing.give_up(versions, {"topic": "broken"})

    kept = on_disk(tmp_path)["q1"]
    assert ({}, "what was chosen cannot be loaded: no memory to execute") == (kept.options, kept.why)
    again = Play(tmp_path)
    again.answer(JobReport(chosen=("q1", kept)))
    assert {} == again.options()


def test_only_the_newest_choices_are_kept(tmp_path):
    choices = Choices(tmp_path)
    for number in range(KEPT + 5):
        choices.remember(f"q{number}", FAST)
    assert [f"q{number}" for number in range(5, KEPT + 5)] == list(on_disk(tmp_path))
    assert KEPT == len(json.loads((tmp_path / FILE).read_text())["choices"])
