"""How fast a large input gets on: nothing is told before something was measured, and what was waited for is no work."""

from types import SimpleNamespace

from classifyd.ledger import Plan
from classifyd.reports import PartReport
from classifyd.service.pace import TELLING_SECONDS, WINDOW_SECONDS, Pace, Paces
from classifyd.values import Cut


def test_there_is_no_speed_before_something_was_done():
    pace = Pace()
    for second in range(100):
        pace.see(float(second), 0.25, 10)

    assert pace.speed(100.0) is None


def test_time_spent_waiting_for_its_turn_does_not_count():
    pace = Pace()
    for second in range(101):
        pace.see(float(second), 0.25, 10)
    pace.see(110.0, 0.5, 60)

    speed = pace.speed(110.0)

    assert (0.025, 5.0) == (speed.share, speed.records)


def test_a_moment_tells_nothing():
    pace = Pace()
    pace.see(0.0, 0.0, 0)
    pace.see(0.5, 0.5, 100)

    assert pace.speed(0.5) is None
    assert pace.speed(TELLING_SECONDS) is not None


def test_the_speed_is_that_of_the_last_minutes():
    pace = Pace()
    pace.see(0.0, 0.0, 0)
    for second in range(1, 1001):
        pace.see(float(second), second / 10_000, second)
    for second in range(1001, 1501):
        pace.see(float(second), 0.1 + (second - 1000) / 1000, 1000 + 10 * (second - 1000))

    assert 9.5 < pace.speed(1500.0).records <= 10.0


def test_an_input_that_stands_still_has_no_speed_after_a_while():
    pace = Pace()
    pace.see(0.0, 0.0, 0)
    pace.see(10.0, 0.1, 10)
    pace.see(10.0 + WINDOW_SECONDS + 1, 0.1, 10)

    assert pace.speed(10.0 + WINDOW_SECONDS + 1) is None


def work(name="a.csv", done=(), *, widths=(10, 10, 20), planned=True):
    cuts, start = [], 0
    for width in widths:
        cuts.append(Cut(start, start + width, 0))
        start += width
    reports = {number: PartReport(name, number, records=width) for number, width in enumerate(widths) if number in done}
    return SimpleNamespace(
        claim=SimpleNamespace(id=name, size=1000),
        inbox=SimpleNamespace(name="in"),
        shown=name,
        large=True,
        plan=Plan(tuple(cuts), "delimited") if planned else None,
        reports=reports,
        complete=lambda: len(reports) == len(widths),
    )


def test_the_time_left_goes_by_what_the_splits_make_up_of_the_whole():
    works = [work()]
    paces = Paces(lambda: works, lambda _: False)
    [began] = paces.look(0.0)
    works[0] = work(done=(0, 1))

    [now] = paces.look(10.0)

    assert (began.records_per_second, began.seconds_left) == (None, None)
    assert (0.5, 2, 3, 20) == (now.share, now.splits_done, now.splits, now.records)
    assert (2.0, 10.0) == (now.records_per_second, now.seconds_left)
    assert paces.latest == (now,)


def test_an_input_that_has_to_wait_has_no_time_left_and_begins_to_be_measured_anew():
    held = []
    works = [work()]
    paces = Paces(lambda: works, lambda _: bool(held))
    paces.look(0.0)
    works[0] = work(done=(0,))
    paces.look(10.0)
    held.append(True)

    [waits] = paces.look(20.0)
    held.clear()
    [goes_on] = paces.look(1000.0)
    works[0] = work(done=(0, 1))
    [later] = paces.look(1010.0)

    assert (None, None) == (waits.records_per_second, waits.seconds_left)
    assert goes_on.seconds_left is None
    assert (1.0, 20.0) == (later.records_per_second, later.seconds_left)


def test_what_comes_before_and_after_the_splits_is_told_without_a_time():
    paces = Paces(lambda: [work("a", planned=False), work("b", done=(0, 1, 2))], lambda _: False)

    cutting, assembling = paces.look(0.0)

    assert ("cutting", 0, None) == (cutting.stage, cutting.splits, cutting.seconds_left)
    assert ("assembling", 1.0, None) == (assembling.stage, assembling.share, assembling.seconds_left)
