from classifyd.pipeline.breadcrumb import Range
from classifyd.service import holds as module
from classifyd.service.holds import Breakers, Holds


def test_a_hold_that_comes_back_at_once_lasts_twice_as_long(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    holds = Holds()

    assert holds.hold("mail", "full")
    now[0] = 4.9
    assert holds.held("mail")
    now[0] = 5.0
    assert not holds.held("mail")
    assert not holds.hold("mail", "full"), "the same reason again is no news"
    now[0] = 14.9
    assert holds.held("mail")
    assert {"mail": "full"} == holds.reasons()
    assert holds.release("mail")
    assert {} == holds.reasons()


def test_a_breaker_trips_after_jobs_that_all_failed_in_a_row():
    breakers = Breakers()

    assert [False, False, True] == [breakers.failed("spam", "why") for _ in range(3)]
    assert breakers.tripped("spam")
    assert not breakers.tripped("topic")
    assert breakers.worked("spam")
    assert not breakers.tripped("spam")


def test_an_answer_in_between_keeps_the_breaker_from_tripping():
    breakers = Breakers()
    for _ in range(10):
        assert not breakers.failed("spam", "why")
        assert not breakers.failed("spam", "why")
        breakers.worked("spam")


def test_a_task_that_ends_workers_over_ranges_that_have_nothing_in_common_is_held():
    breakers = Breakers()

    assert not breakers.died("spam", [Range("a", 0, 0, 100)], "crash")
    assert not breakers.died("spam", [Range("a", 0, 0, 50)], "crash")
    assert not breakers.died("spam", [Range("a", 0, 50, 100)], "crash")
    assert breakers.died("spam", [Range("b", 0, 0, 1)], "crash")
    assert breakers.tripped("spam")


def test_however_long_one_record_is_sought_its_task_is_not_held():
    breakers = Breakers()

    assert not any(breakers.died("spam", [Range("a", 0, 0, 2**n)], "crash") for n in range(20, -1, -1))


def test_an_answer_clears_a_task_of_the_workers_it_ended():
    breakers = Breakers()
    for start in range(2):
        breakers.died("spam", [Range("a", 0, start, start + 1)], "crash")
    breakers.worked("spam")

    assert not breakers.died("spam", [Range("a", 0, 9, 10)], "crash")
