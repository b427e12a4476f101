"""What a task took for a job, with what its predictor says of its model's runs, as far as that can be believed."""

from collections.abc import Mapping

import structlog

from classifyd.pipeline.border import Border, said
from classifyd.pipeline.counting import Tally
from classifyd.pipeline.loading import Loaded
from classifyd.reports import Effort, Profile

log = structlog.get_logger()

MAX_SIZES = 64
"""A predictor that tells more sizes of batches than this is not believed: a report stays small."""


def effort(loaded: Loaded, records: int, seconds: float, border: Border) -> Effort:
    """The task's effort. A predictor may tell of its model by `effort()`: what it has run since it was last asked."""
    ask = getattr(loaded.predictor, "effort", None)
    if ask is None:
        return Effort(records, seconds)
    try:
        with border:
            told = ask()
        return _checked(told, records, seconds)
    except Exception as error:  # noqa: BLE001  # a task is foreign code; figures are worth no record
        log.warning("effort_not_told", task=loaded.spec.name, error=said(error))
        return Effort(records, seconds)


def profile(loaded: Loaded, tally: Tally, took: Effort) -> Profile:
    """What the task's answers to a job look like; `took` has its tokens."""
    return Profile(
        loaded.spec.name,
        loaded.spec.version,
        tally.answered,
        dict(tally.labels),
        tally.scores,
        tally.reviews,
        max(0, took.tokens - took.padding),
        took.unknown,
    )


def _checked(told: object, records: int, seconds: float) -> Effort:
    """The same in plain values. ValueError if it makes no sense."""
    if not isinstance(told, Effort) or not isinstance(told.batches, Mapping) or len(told.batches) > MAX_SIZES:
        raise ValueError(f"effort() must give an Effort of at most {MAX_SIZES} sizes of batches")
    batches = {_count(size): _count(times) for size, times in told.batches.items()}
    return Effort(records, seconds, batches, _count(told.tokens), _count(told.padding), _count(told.unknown))


def _count(number: object) -> int:
    if not isinstance(number, int) or not 0 <= number < 2**53:
        raise ValueError(f"an effort is told in whole numbers, not {number!r}")
    return int(number)
