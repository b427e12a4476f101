"""A batch's company changes no window's padding, and every window is in one batch."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from classifyd.api import Setup
from classifyd_bert import options
from classifyd_bert.microbatch import plan

LENGTHS = st.lists(st.integers(1, 32).map(lambda n: 16 * n))


@given(LENGTHS, st.integers(1, 4096))
def test_every_window_is_in_exactly_one_batch(lengths: list[int], budget: int) -> None:
    assert sorted(place for batch in plan(lengths, budget) for place in batch) == list(range(len(lengths)))


@given(LENGTHS, st.integers(1, 4096))
def test_a_batch_holds_one_length_within_the_budget_or_one_window(lengths: list[int], budget: int) -> None:
    for batch in plan(lengths, budget):
        (length,) = {lengths[place] for place in batch}
        assert len(batch) == 1 or len(batch) * length <= budget


@given(LENGTHS, st.integers(1, 4096))
def test_batches_go_from_short_to_long_and_are_full_but_the_last_of_a_length(lengths: list[int], budget: int) -> None:
    batches = [(lengths[batch[0]], len(batch)) for batch in plan(lengths, budget)]
    assert [length for length, _ in batches] == sorted(length for length, _ in batches)
    for (one, size), (other, _) in itertools.pairwise(batches):
        assert one != other or size == max(1, budget // one)


def test_nothing_needs_no_batch() -> None:
    assert plan([]) == []


def test_a_gpu_takes_more_at_a_time_unless_it_is_told() -> None:
    assert options.token_budget(Setup("spam")) < options.token_budget(Setup("spam", device="cuda"))
    assert options.token_budget(Setup("spam", {"token_budget": 64}, device="cuda")) == 64
