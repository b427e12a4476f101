"""What a task took is told, and what its predictor adds is believed only if it makes sense."""

import pytest

from classifyd.jobs import TaskSpec
from classifyd.pipeline.border import Border
from classifyd.pipeline.efforts import MAX_SIZES, effort
from classifyd.pipeline.loading import Loaded
from classifyd.reports import Effort


class Tells:
    def __init__(self, told):
        self.told = told

    def predict(self, records):
        raise NotImplementedError

    def effort(self):
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


class Silent:
    def predict(self, records):
        raise NotImplementedError


def found(predictor):
    return effort(Loaded(TaskSpec("mood"), predictor, "mood@1", 0.0), 10, 0.5, Border())


def test_a_predictor_that_tells_nothing_has_its_records_and_time():
    assert found(Silent()) == Effort(10, 0.5)


def test_a_predictor_tells_its_batches_and_tokens_and_not_its_records_or_time():
    assert found(Tells(Effort(99, 99.0, {8: 2}, 100, 7, 3))) == Effort(10, 0.5, {8: 2}, 100, 7, 3)


@pytest.mark.parametrize(
    "told",
    [
        None,
        {"tokens": 3},
        ValueError("upset"),
        SystemExit(1),
        Effort(tokens=-1),
        Effort(tokens=1.5),
        Effort(unknown=-1),
        Effort(padding=2**60),
        Effort(batches=[8, 8]),
        Effort(batches={"8": 1}),
        Effort(batches=dict.fromkeys(range(MAX_SIZES + 1), 1)),
    ],
)
def test_what_makes_no_sense_is_left_out_and_costs_no_record(told):
    assert found(Tells(told)) == Effort(10, 0.5)
