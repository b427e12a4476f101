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
