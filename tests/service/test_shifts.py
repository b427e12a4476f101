import time

from classifyd.service.shifts import Shifts


class Workers:
    """Workers that only note what they are given."""

    def __init__(self):
        self.busy = 0
        self.given = []
        self.stopped = 0
        self.free = 2

    def submit(self, number, make, deadline_seconds):
        self.given.append(number)
        self.busy += 1

    def stop(self):
        self.stopped += 1


def shifts(count=2):
    made = []

    def make(number):
        made.append(Workers())
        return made[-1]

    return Shifts(count, make), made


def serving(*versions):
    """Shifts that served these versions of `spam`, one after the other."""
    some, made = shifts()
    for version in versions:
        some.prepare({"spam": version, "topic": 1})
        some.relieve()
    return some, made


def give(some, number, *pins):
    some.submit(number, lambda crumb: None, 1.0, pins)


def test_a_job_goes_to_the_newest_shift_that_has_its_versions_loaded():
    some, (old, new) = serving(1, 2)

    give(some, 1, ("spam", 1), ("topic", 1))
    give(some, 2, ("spam", 2))
    give(some, 3, ("topic", 1))
    give(some, 4, ("spam", 7))
    give(some, 5)

    assert [1] == old.given
    assert [2, 3, 4, 5] == new.given


def test_shifts_together_run_no_more_jobs_than_one_has_workers():
    some, _ = serving(1, 2)

    assert 2 == some.free()
    give(some, 1, ("spam", 1))
    give(some, 2, ("spam", 2))
    assert 0 == some.free()


def test_a_relieved_shift_ends_when_it_has_no_job_and_no_input_is_pinned_to_it():
    some, (old, new) = serving(1, 2)
    give(some, 1, ("spam", 1))

    some.release([])
    assert 1 == some.relieved, "it has a job"
    old.busy = 0
    some.release([(("spam", 1),)])
    assert 1 == some.relieved, "an input is pinned to it"
    some.release([(("topic", 1),)])
    assert 0 == some.relieved, "the newer shift serves that input"
    some.stop()

    assert (1, 1) == (old.stopped, new.stopped)


def test_a_shift_that_gets_ready_takes_no_job_and_is_ended_when_dismissed():
    some, made = serving(1)
    some.prepare({"spam": 2, "topic": 1})
    give(some, 1, ("spam", 2))
    some.prepare({"spam": 3, "topic": 1})
    some.dismiss()
    some.stop()

    assert [[1], [], []] == [workers.given for workers in made]
    assert [1, 1, 1] == [workers.stopped for workers in made]


def test_the_end_of_a_shift_holds_nothing_up(monkeypatch):
    some, (old, _) = serving(1, 2)
    monkeypatch.setattr(old, "stop", lambda: time.sleep(2.0))

    began = time.monotonic()
    some.release([])
    assert time.monotonic() - began < 1.5
    some.stop()
    assert time.monotonic() - began >= 2.0, "but stopping waits for it"


def test_a_worker_whose_slot_has_no_actor_is_not_counted_as_free():
    some, (old,) = serving(1)
    old.free = 1

    assert 1 == some.free()
    old.free = 0
    assert 0 == some.free()
