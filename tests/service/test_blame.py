import math

from hypothesis import given
from hypothesis import strategies as st

from classifyd.jobs import Split, Suspect
from classifyd.pipeline.breadcrumb import Range
from classifyd.planning import Waiting
from classifyd.service.blame import halves, narrowed


@given(st.integers(1, 5000), st.data())
def test_one_faulty_record_is_convicted_in_two_attempts_and_the_logarithm(records, data):
    """Plays the worker: it dies in the half (or single record) that holds the faulty one."""
    faulty = data.draw(st.integers(0, records - 1))
    suspects: tuple[Suspect, ...] = ()
    start, end = 0, records
    attempts = 0
    while not any(suspect.convicted for suspect in suspects):
        attempts += 1
        suspects = narrowed(suspects, "spam", Range("c", 0, start, end), "died")
        (suspect,) = suspects
        middle = (suspect.start + suspect.end) // 2
        start, end = (suspect.start, middle) if faulty < middle else (middle, suspect.end)
        start, end = (start, end) if end > start else (suspect.start, suspect.end)

    assert (faulty, faulty + 1) == (suspects[0].start, suspects[0].end)
    assert attempts <= 2 + math.ceil(math.log2(records))


def test_suspects_of_other_tasks_and_ranges_stay():
    other = Suspect("topic", 0, 8)
    apart = Suspect("spam", 20, 30)

    found = narrowed((other, apart, Suspect("spam", 0, 8)), "spam", Range("c", 0, 0, 4), "died")

    assert (other, apart, Suspect("spam", 0, 4, "died")) == found


def test_a_failed_job_is_parted_until_each_split_goes_alone():
    items = tuple(Waiting(Split(str(n), 0, "", "", "", ""), 1) for n in range(5))

    assert [2, 3] == [len(group) for group in halves(items)]
    assert halves(items[:1])[0][0].alone
