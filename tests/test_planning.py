from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from classifyd.jobs import Claim, Split, TaskSpec
from classifyd.planning import (
    FIRST_GUESS,
    LARGEST_SPLIT,
    MOST_SPLITS,
    PASSED_OVER,
    SMALLEST_SPLIT,
    Key,
    Kind,
    Precedence,
    Queue,
    Rates,
    Waiting,
    plan_digest,
)
from classifyd.values import Cut, WriteOptions

MAIL = Key("mail", "jsonl", ())
NEWS = Key("news", "jsonl", ())


def waiting(claim, *, size=10, cut=None, alone=False):
    return Waiting(Split(claim, 0, "/p", "n", "i", "/part", cut=cut), size, alone)


def large(claim):
    return waiting(claim, cut=Cut(0, 1, 0))


def claims(batch):
    return [item.split.claim for item in batch.items]


def drain(queue, size=100):
    taken = []
    while (batch := queue.take(lambda _: True, lambda _: size)) is not None:
        taken.append(claims(batch))
    return taken


def test_small_inputs_are_packed_up_to_the_limits_of_a_job():
    queue = Queue(job_bytes=25, job_files=3)
    for name in "abcde":
        queue.add(MAIL, waiting(name))

    assert [["a", "b"], ["c", "d"], ["e"]] == drain(queue)


def test_an_input_larger_than_a_job_still_goes():
    queue = Queue(job_bytes=5, job_files=3)
    queue.add(MAIL, waiting("a", size=1000))

    assert [["a"]] == drain(queue)


def test_small_inputs_go_first_but_large_ones_are_not_starved():
    queue = Queue(job_bytes=10, job_files=1)
    for name in "xyz":
        queue.add(MAIL, large(name))
    for name in "abcdefgh":
        queue.add(MAIL, waiting(name))

    order = [claim for batch in drain(queue) for claim in batch]

    assert list("abcxdefyghz") == order


def test_inboxes_take_turns():
    queue = Queue(job_bytes=10, job_files=1)
    for name in "abc":
        queue.add(MAIL, waiting(name))
    queue.add(NEWS, waiting("n"))

    assert [["a"], ["n"], ["b"], ["c"]] == drain(queue)


def test_a_key_that_has_to_wait_stops_no_other():
    queue = Queue(job_bytes=10, job_files=1)
    queue.add(MAIL, waiting("a"))
    queue.add(NEWS, waiting("n"))

    assert ["n"] == claims(queue.take(lambda key: key != MAIL, lambda _: 100))
    assert queue.take(lambda key: key != MAIL, lambda _: 100) is None
    assert 1 == len(queue)


def test_what_failed_before_goes_alone():
    queue = Queue(job_bytes=100, job_files=10)
    queue.add(MAIL, waiting("a"))
    queue.add(MAIL, waiting("b", alone=True))
    queue.add(MAIL, waiting("c"))

    assert [["a"], ["b"], ["c"]] == drain(queue)


@given(st.lists(st.tuples(st.sampled_from([MAIL, NEWS]), st.integers(1, 50), st.booleans()), max_size=60))
def test_everything_that_was_added_is_given_out_once(items):
    queue = Queue(job_bytes=60, job_files=4)
    for number, (key, size, is_large) in enumerate(items):
        queue.add(key, waiting(str(number), size=size, cut=Cut(0, 1, 0) if is_large else None))

    given_out = [claim for batch in drain(queue) for claim in batch]

    assert sorted(str(number) for number in range(len(items))) == sorted(given_out)


def test_a_job_takes_no_more_than_a_worker_gets_through_in_time_but_one_at_least():
    queue = Queue(job_bytes=100, job_files=10)
    for name in "abc":
        queue.add(MAIL, waiting(name))
    for _ in range(5):
        queue.add(MAIL, large("x"))
    queue.add(MAIL, large("y"))

    assert [["a", "b"], ["c"], ["x", "x"], ["y"], ["x", "x"], ["x"]] == drain(queue, size=25)
    queue.add(MAIL, large("z"))
    assert [["z"]] == drain(queue, size=0)


def test_a_range_that_failed_before_goes_alone():
    queue = Queue(job_bytes=100, job_files=10)
    for alone in (False, True, False, False):
        queue.add(MAIL, waiting("x", cut=Cut(0, 1, 0), alone=alone))

    assert [["x"], ["x"], ["x", "x"]] == drain(queue)


def kind(*tasks, inbox="in", ranges=True):
    return Kind(inbox, frozenset(tasks), ranges)


def test_a_split_is_about_so_many_seconds_of_work():
    rates = Rates()
    for _ in range(100):
        rates.learn(kind("spam"), read_bytes=2_000_000, seconds=1.0)

    assert abs(rates.split_bytes(kind("spam"), seconds=2.0, size=10**9) - 4_000_000) < 10_000
    assert LARGEST_SPLIT == rates.split_bytes(kind("spam"), seconds=100.0, size=10**9)
    assert 2_000_000 == rates.latest


def test_what_is_learnt_of_some_work_says_nothing_of_other_work():
    rates = Rates()
    rates.learn(kind("spam"), read_bytes=2_000_000, seconds=1.0)

    assert 2_000_000 == rates.bytes_in(kind("spam"), 1.0)
    for other in (kind("ner"), kind("spam", inbox="mail"), kind("spam", ranges=False)):
        assert FIRST_GUESS == rates.bytes_in(other, 1.0)
    assert FIRST_GUESS // 2 == rates.bytes_in(kind("spam", "ner"), 1.0)
    rates.learn(kind("ner", "spam"), read_bytes=5_000, seconds=1.0)
    assert 5_000 == rates.bytes_in(kind("spam", "ner"), 1.0)
    assert SMALLEST_SPLIT == rates.split_bytes(kind("spam", "ner"), 1.0, size=10**6)


def test_tiny_jobs_raise_a_rate_and_never_lower_it():
    rates = Rates()
    rates.learn(kind("spam"), read_bytes=100, seconds=0.01)
    assert FIRST_GUESS == rates.bytes_in(kind("spam"), 1.0)
    for size, seconds in ((0, 1.0), (10, 0.0)):
        rates.learn(kind("spam"), read_bytes=size, seconds=seconds)
    assert FIRST_GUESS == rates.bytes_in(kind("spam"), 1.0)
    for _ in range(50):
        rates.learn(kind("spam"), read_bytes=100_000, seconds=0.01)
    assert 9_900_000 < rates.bytes_in(kind("spam"), 1.0) <= 10_000_000


def test_however_large_an_input_is_its_splits_are_not_too_many():
    size = 20 * 2**30

    assert size / Rates().split_bytes(kind("spam", "topic", "ner"), 1.0, size) <= MOST_SPLITS


def test_whatever_a_part_depends_on_changes_the_digest_of_its_plan():
    claim = Claim("c", "mail", "a.csv", "/p", 10, 20, 0.0)
    tasks = (TaskSpec("spam", 1),)
    facts = (claim, tasks, "jsonl", WriteOptions(("spam",)), 100)
    others = [
        (replace(claim, size=11), *facts[1:]),
        (replace(claim, mtime_ns=21), *facts[1:]),
        (claim, (TaskSpec("spam", 2),), *facts[2:]),
        (claim, (TaskSpec("spam", 1, review_below=0.5),), *facts[2:]),
        (claim, tasks, "csv", *facts[3:]),
        (claim, tasks, "jsonl", WriteOptions(("spam",), include_text=False), 100),
        (*facts[:4], 101),
    ]

    assert plan_digest(*facts) == plan_digest(*facts)
    assert len(others) + 1 == len({plan_digest(*other) for other in (facts, *others)})


def turns(waiting, count):
    """Which ranks have their turns while something waits for all of them; `waiting` counts what does."""
    precedence, left, had = Precedence(), dict(waiting), []
    while len(had) < count and any(left.values()):
        ranks = {rank for rank, many in left.items() if many}
        rank = precedence.order(ranks)[0]
        precedence.given(rank, ranks)
        left[rank] -= 1
        had.append(rank)
    return had


def test_what_has_a_higher_rank_goes_first_and_a_lower_one_has_one_turn_in_ten():
    high, low = [2] * PASSED_OVER, [0]

    assert [*high, *low, *high, *low, 2, 2, 0, 0] == turns({2: 20, 0: 4}, 100)


def test_no_rank_starves_behind_two_others():
    had = turns({2: 1000, 1: 1000, 0: 1000}, 1000)

    assert [2] * 9 + [1, 0] == had[:11]
    assert had.count(0) >= 1000 // (PASSED_OVER + 2)
    assert had.count(1) >= 1000 // (PASSED_OVER + 2)
    gaps = [
        after - before for rank in (0, 1) for before, after in pairwise([n for n, one in enumerate(had) if one == rank])
    ]
    assert max(gaps) <= PASSED_OVER + 2


def test_a_rank_for_which_nothing_waited_has_passed_nothing_over():
    precedence = Precedence()
    for _ in range(100):
        precedence.given(2, {2})

    assert [2, 0] == precedence.order({0, 2})
