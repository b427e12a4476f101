"""The last hour in memory: by the minute, no longer than an hour, and no larger than it may be."""

import time

import pytest

from classifyd.reports import FileReport, PartReport
from classifyd.web.recent import MINUTES, MOST_LABELS, OUTPUTS, Recent, Totals


def part(records: int, **labels: int) -> PartReport:
    return PartReport("c", 0, records, counts={"spam": labels})


def test_records_stand_in_the_minute_in_which_workers_were_through_with_them() -> None:
    recent, now = Recent(), time.time()
    for minutes in (70, 5, 5, 0):
        recent.worked("mail", [part(10), part(1)], now - 60 * minutes)
    told = recent.throughput()
    assert len(told) == MINUTES
    assert [(MINUTES - 1 - place, minute) for place, minute in enumerate(told) if minute] == [
        (5, {"mail": 22}),
        (0, {"mail": 11}),
    ]


def test_labels_older_than_an_hour_are_no_longer_in_the_mix() -> None:
    recent, now = Recent(), time.time()
    recent.worked("mail", [part(1, spam=5)], now - 62 * 60)
    recent.worked("mail", [part(1, spam=1, ham=3)], now)
    assert recent.labels() == {"spam": {"ham": 3, "spam": 1}}
    assert list(recent.labels()["spam"]) == ["ham", "spam"]


def test_a_clock_that_goes_back_loses_nothing() -> None:
    recent, now = Recent(), time.time()
    recent.worked("mail", [part(1)], now)
    recent.worked("mail", [part(1)], now - 600)
    assert sum(minute.get("mail", 0) for minute in recent.throughput()) == 2


@pytest.mark.parametrize("years", [-3, 3])
def test_a_clock_that_is_far_off_for_a_moment_loses_nothing(years: int, monkeypatch: pytest.MonkeyPatch) -> None:
    recent, right = Recent(), time.time
    for off in (0, years, 0):
        now = right() + off * 365 * 86400
        monkeypatch.setattr(time, "time", lambda now=now: now)
        recent.worked("mail", [part(10, ham=10)], now)
    assert sum(minute.get("mail", 0) for minute in recent.throughput()) == 30
    assert recent.labels() == {"spam": {"ham": 30}}


def test_what_is_told_of_the_future_was_now() -> None:
    recent, now = Recent(), time.time()
    recent.worked("mail", [part(1)], now + 600)
    recent.worked("mail", [part(1)], now)
    assert sum(recent.throughput()[-1].values()) == 2


def test_neither_labels_nor_outputs_grow_without_bound() -> None:
    recent = Recent()
    for number in range(1000):
        recent.worked("mail", [part(1, **{f"label{number}": 1})], time.time())
        recent.finished(FileReport("mail", f"{number}", "published", 1, 0, 0, None, 0.1), None, time.time())
    assert len(recent.labels()["spam"]) <= 2 * MOST_LABELS  # a minute may have ended meanwhile
    assert [output.report.source for output in recent.outputs()] == [str(999 - place) for place in range(OUTPUTS)]


def test_outputs_with_doubts_are_remembered_however_many_without_come_after_them() -> None:
    recent = Recent()
    for number in range(1000):
        reviews = number % 10 == 0
        recent.finished(FileReport("mail", f"{number}", "published", 1, 0, reviews, None, 0.1), None, time.time())
    assert [output.report.source for output in recent.doubtful()] == [str(990 - 10 * n) for n in range(OUTPUTS)]


def test_it_begins_with_what_the_ledger_remembers_and_counts_on() -> None:
    recent, now = Recent(), time.time()
    hour = [("mail", now - 120, part(20, ham=20)), ("mail", now - 60, part(10, ham=10))]
    recent.begin({"mail": Totals(3, 30, 1, 2)}, hour)
    recent.finished(FileReport("mail", "a", "published", 5, 1, 1, None, 0.1), None, now)
    recent.finished(FileReport("mail", "b", "quarantined", 0, 0, 0, None, 0.1), None, now)
    assert recent.totals("mail") == Totals(4, 35, 2, 3)
    assert recent.throughput()[-3:-1] == [{"mail": 20}, {"mail": 10}]
    assert recent.labels() == {"spam": {"ham": 30}}
    assert recent.totals("other") == Totals()


def test_a_daemon_that_follows_another_in_its_process_does_not_count_the_hour_twice() -> None:
    recent, now = Recent(), time.time()
    recent.worked("mail", [part(10)], now)
    recent.begin({"mail": Totals(1, 10, 0, 0)}, [("mail", now, part(10))])
    assert recent.throughput()[-1] == {"mail": 10}
