"""What comes into service, step by step: the store is a real one, only the workers are not."""

from types import SimpleNamespace

import pytest

from classifyd.bundles import Store
from classifyd.config import DaemonConfig
from classifyd.jobs import Choose, Inspect
from classifyd.pipeline.breadcrumb import Crumb
from classifyd.reports import JobReport
from classifyd.service import succession as module
from classifyd.service.choosing import Choosing
from classifyd.service.succession import Succession
from classifyd.service.tasks import Tasks
from classifyd.values import Choice, Fault, TrainedModel
from classifyd.workers import Outcome


class Shifts:
    """Notes what is asked for; `given` are the jobs of the shift that gets ready."""

    relieved = 0

    def __init__(self):
        self.given = []
        self.relief = 0

    def prepare(self, versions):
        self.given = []
        return self

    def warm(self, number, make, deadline_seconds):
        self.given.append((number, make("crumb")))

    submit = warm

    def dismiss(self):
        self.given = []

    def relieve(self):
        self.relief += 1


class Play:
    """A daemon's succession with the versions 1 of `spam` and `topic` in service."""

    def __init__(self, folder, workers=2):
        self.store = Store(folder / "models")
        (folder / "weights").write_text("weights")
        for _ in range(3):
            for task in ("spam", "topic"):
                said = {"kind": "sequence", "labels": ["a", "b"]}
                self.store.publish(task, TrainedModel({"model.onnx": folder / "weights"}, said, ""), {})
        for task in ("spam", "topic"):
            self.store.promote(task, 1)
        inbox = SimpleNamespace(tasks=("spam", "topic"))
        self.tasks = Tasks(SimpleNamespace(models=self.store.path, inboxes=(inbox,), tasks={}))
        self.tasks.begin()
        self.shifts = Shifts()
        self.changed = []
        config = DaemonConfig(folder, workers=workers)
        self.choosing = Choosing(config, self.tasks)
        self.succession = Succession(
            config, self.tasks, self.shifts, self.choosing, pinned=list, taken_over=self.changed.append
        )
        for pin in self.serving.items():
            self.tasks.choose(*pin, {})

    def look(self, *, choosing=False):
        """Look at once; with `choosing`, leave it to the test to answer the jobs that ask for choices."""
        self.succession._next_look = 0.0
        self.succession.look()
        while not choosing and self.asked():
            self.answer(JobReport())

    def asked(self):
        return self.shifts.given and isinstance(self.shifts.given[0][1], Choose)

    def answer(self, report=None, **outcome):
        """The oldest job that was given ends so."""
        number, job = self.shifts.given.pop(0)
        self.succession.receive([Outcome(number, job, report, **outcome)])

    @property
    def serving(self):
        return dict(self.tasks.serving)

    def refused(self):
        return {task: (one.version, one.reason) for task, one in self.succession.refused.items()}


def unloadable(**why):
    return JobReport(unloadable={task: Fault("BundleError", message) for task, message in why.items()})


@pytest.fixture
def play(tmp_path):
    return Play(tmp_path)


def test_one_worker_loads_first_then_the_rest_and_only_then_new_inputs_get_the_version(play):
    play.look()
    assert [] == play.shifts.given, "nothing is promoted but what serves"
    play.store.promote("spam", 2)
    play.look()

    ((_, job),) = play.shifts.given
    assert isinstance(job, Inspect)
    assert [("spam", 2), ("topic", 1)] == [(spec.name, spec.version) for spec in job.tasks]
    assert {"spam": 2} == play.succession.loading
    play.answer(JobReport())
    play.look()
    assert 1 == len(play.shifts.given)
    assert {"spam": 1, "topic": 1} == play.serving
    play.answer(JobReport())
    assert {"spam": 2, "topic": 1} == play.serving
    assert ([("spam",)], 1, {}) == (play.changed, play.shifts.relief, play.succession.loading)


def test_a_promotion_that_is_taken_back_while_it_is_loaded_never_serves(play):
    play.store.promote("spam", 2)
    play.look()
    play.answer(JobReport())
    play.store.promote("spam", 1)
    play.answer(JobReport())
    assert (0, {"spam": 1, "topic": 1}) == (play.shifts.relief, play.serving)
    play.look()
    assert {} == play.succession.loading


def test_what_a_withdrawn_shift_still_says_is_not_taken_for_the_next_one_s(play):
    play.store.promote("spam", 2)
    play.look()
    stale = play.shifts.given[0]
    play.store.promote("spam", 3)
    play.look()
    assert {"spam": 3} == play.succession.loading
    play.succession.receive([Outcome(*stale, JobReport())] * 2)
    assert {"spam": 1, "topic": 1} == play.serving


def test_a_version_is_refused_until_it_is_promoted_anew_or_its_folder_changes(play):
    play.store.promote("spam", 2)
    play.look()
    play.answer(unloadable(spam="broken"))
    assert {"spam": (2, "broken")} == play.refused()
    play.look()
    assert [] == play.shifts.given

    play.store.promote("spam", 2)
    play.look()
    play.answer(unloadable(spam="still broken"))
    (play.store.folder("spam", 2) / "model.onnx").write_text("other weights")
    play.look()
    play.answer(unloadable(spam="still broken"))
    play.look()
    assert [] == play.shifts.given
    play.store.promote("spam", 1)
    play.look()
    assert {} == play.refused()


def test_what_is_fit_comes_into_service_without_what_is_not(play):
    play.store.promote("spam", 2)
    play.store.promote("topic", 3)
    play.look()
    play.answer(unloadable(spam="broken"))
    play.look()
    play.answer(JobReport())
    play.answer(JobReport())
    assert ({"spam": 1, "topic": 3}, {"spam"}) == (play.serving, set(play.refused()))


def test_a_version_in_service_that_can_no_longer_be_loaded_keeps_others_out_until_it_is_mended(play):
    play.store.promote("spam", 2)
    play.look()
    play.answer(unloadable(topic="topic@1 is broken"))
    assert {"spam": (2, "what serves beside it can no longer be loaded: topic@1 is broken")} == play.refused()
    play.look()
    assert [] == play.shifts.given
    (play.store.folder("topic", 1) / "model.onnx").write_text("weights")
    play.look()
    assert {"spam": 2} == play.succession.loading


def test_a_worker_that_was_killed_is_no_reason_to_refuse_but_three_are(play):
    play.store.promote("spam", 2)
    play.store.promote("topic", 2)
    play.look()
    for _ in range(2):
        play.answer(death="killed", crumb=Crumb("loading", "topic"))
        assert {} == play.refused()
    play.answer(death="killed", crumb=Crumb("loading", "topic"))
    assert {"topic": (2, "workers died while they loaded it: killed")} == play.refused(), "the crumb says which"


def test_a_version_that_the_disk_refused_is_tried_again_after_a_minute(play, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    play.store.promote("spam", 2)
    play.look()
    play.answer(JobReport(unloadable={"spam": Fault("UnreadableBundle", "Input/output error")}))
    now[0] += 59
    play.look()
    assert {"spam": (2, "Input/output error")} == play.refused()
    assert {} == play.succession.loading

    now[0] += 2
    play.look()
    assert ({}, {"spam": 2}) == (play.refused(), play.succession.loading)


def test_a_current_that_cannot_be_read_is_told_once_and_then_forgotten(play, monkeypatch):
    told = []
    monkeypatch.setattr(module, "log", SimpleNamespace(error=lambda *_, **event: told.append(event)))
    current = play.store.path / "spam" / "current"
    current.write_text("no number")
    for _ in range(3):
        play.look()
    assert 1 == len(told)
    assert {"spam": 1, "topic": 1} == play.serving
    current.unlink()
    play.look()
    assert "no version is promoted any more" in play.refused()["spam"][1]
    current.write_text("1\n")
    play.look()
    assert {} == play.refused()


def test_it_looks_about_once_a_second_only(play):
    play.look()
    play.store.promote("spam", 2)
    play.succession.look()
    assert {} == play.succession.loading
    play.look()
    assert {"spam": 2} == play.succession.loading


def test_a_daemon_that_goes_on_after_another_inherits_what_serves(tmp_path):
    play = Play(tmp_path)
    play.store.promote("spam", 2)
    heir = Tasks(play.tasks._config, play.serving)
    heir.begin()
    assert {"spam": 1, "topic": 1} == heir.serving


def test_at_the_start_versions_give_way_until_one_is_fit_and_the_promoted_one_is_told(play):
    for version in (2, 3):
        play.store.promote("spam", version)
    play.tasks.begin()
    assert play.serving == {"spam": 3, "topic": 1}

    assert play.succession.fall_back({"spam": "three is unfit"})
    assert play.succession.fall_back({"spam": "two is unfit"})
    assert play.serving == {"spam": 1, "topic": 1}
    assert play.refused() == {"spam": (3, "three is unfit")}
    play.look()
    assert play.shifts.given == [], "what was refused is not tried again"


def test_at_the_start_nothing_gives_way_where_a_task_has_no_version_before(play):
    play.store.promote("spam", 2)
    play.tasks.begin()

    assert not play.succession.fall_back({"spam": "unfit", "topic": "unfit"})
    assert play.serving == {"spam": 2, "topic": 1}
    assert play.refused() == {}


def test_a_new_version_chooses_before_it_is_loaded_and_both_workers_load_it_so(play):
    play.store.promote("spam", 2)
    play.look(choosing=True)
    ((_, job),) = play.shifts.given
    assert isinstance(job, Choose)
    assert ("spam", 2) == (job.task.name, job.task.version)
    play.answer(JobReport(chosen=("q", Choice({"runtime": "fast"}, "it was faster"))))
    for _ in range(2):
        ((_, job),) = play.shifts.given
        assert [{"runtime": "fast"}, {}] == [dict(spec.options) for spec in job.tasks]
        play.answer(JobReport())
    assert {"spam": 2, "topic": 1} == play.serving


@pytest.mark.parametrize("fails", [{"report": unloadable(spam="cannot execute")}, {"death": "killed"}])
def test_a_version_that_cannot_be_loaded_with_what_it_chose_is_loaded_without(play, fails):
    play.store.promote("spam", 2)
    play.look(choosing=True)
    play.answer(JobReport(chosen=("q", Choice({"runtime": "fast"}, "it was faster"))))
    for _ in range(module.ATTEMPTS if "death" in fails else 1):
        play.answer(**fails)
    for _ in range(2):
        ((_, job),) = play.shifts.given
        assert [{}, {}] == [dict(spec.options) for spec in job.tasks]
        play.answer(JobReport())
    assert ({"spam": 2, "topic": 1}, {}) == (play.serving, play.refused())
