import math

from hypothesis import given
from hypothesis import strategies as st

from classifyd.jobs import Split, Suspect
from classifyd.pipeline.breadcrumb import CHORE, Crumb, Range, Trail
from classifyd.planning import Waiting
from classifyd.service.aftermath import Aftermath
from classifyd.service.blame import DEATHS, ENDS, counted_end, halves, narrowed, narrowed_by_end


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


def test_many_ends_of_the_daemon_convict_the_record_that_was_predicted_alone():
    suspects: tuple[Suspect, ...] = ()
    for count in range(1, ENDS + 1):
        suspects = narrowed_by_end(suspects, "spam", Range("c", 0, 5, 6))
        assert (count >= ENDS) == suspects[0].convicted


def test_ends_of_the_daemon_convict_no_record_that_never_stood_alone():
    suspects: tuple[Suspect, ...] = ()
    for _ in range(5 * ENDS):
        suspects = narrowed_by_end(suspects, "spam", Range("c", 0, 4, 6))

    assert not suspects[0].convicted


def test_an_end_of_the_daemon_is_no_evidence_in_a_trial_for_the_death_of_a_worker():
    suspects = narrowed_by_end((), "spam", Range("c", 0, 5, 6))
    for count in range(1, DEATHS + 1):
        suspects = narrowed(suspects, "spam", Range("c", 0, 5, 6), "died")
        assert (count >= DEATHS) == suspects[0].convicted


def test_an_input_is_given_up_after_ten_ends_at_which_it_was_alone():
    suspects: tuple[Suspect, ...] = ()
    for _ in range(2 * ENDS):
        suspects = counted_end(suspects, "writing", alone=False)
        assert not suspects[0].convicted, "it was written together with others"
    for count in range(1, ENDS + 1):
        suspects = counted_end(suspects, "reading", alone=True)
        assert (count >= ENDS) == suspects[0].convicted

    assert 1 == len(suspects), "to be read and to be written is one thing"
    assert not counted_end(suspects, "cutting", alone=True)[1].convicted, "to be cut is another"


def test_what_workers_did_with_an_input_when_the_daemon_ended_is_counted_by_its_split(tmp_path):
    crumbs = [
        Crumb("reading", ranges=(Range("c", 2, 0, 0),)),
        Crumb("writing", ranges=(Range("c", 3, 0, 0), Range("d", 0, 0, 0))),
        Crumb("assembling", ranges=(Range("c", CHORE, 0, 0),)),
        Crumb("resting"),
    ]
    for place, crumb in enumerate(crumbs):
        Trail(str(tmp_path / f"0-{place}")).drop(crumb)

    found = Aftermath(tmp_path).suspects("c", {})

    assert {2: [1], 3: [0], CHORE: [1]} == {number: [s.ends for s in suspects] for number, suspects in found.items()}
    assert all(suspect.is_whole for suspects in found.values() for suspect in suspects)


def test_what_workers_were_predicting_when_the_daemon_ended_is_suspect_once(tmp_path):
    for name, deed in (("0-0", "predicting"), ("0-1", "beginning")):
        Trail(str(tmp_path / name)).drop(Crumb(deed, "spam", (Range("c", 2, 0, 8),)))
    (tmp_path / "0-2").write_text("torn")

    found = Aftermath(tmp_path).suspects("c", {1: (Suspect("spam", 4, 5),)})

    assert {1: (Suspect("spam", 4, 5),)} == Aftermath(tmp_path).suspects("c", {1: (Suspect("spam", 4, 5),)})
    assert [(1, 4, 5, 1, 0), (2, 0, 8, 0, 1)] == [
        (number, s.start, s.end, s.deaths, s.ends) for number, many in found.items() for s in many
    ]
    assert {} == Aftermath(tmp_path).suspects("another", {})
