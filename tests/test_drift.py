"""What a model says of late is held against its baseline: far enough off it is warned of, and never by chance."""

import random
from collections import Counter

import pytest

from classifyd import drift
from classifyd.drift import Baseline, Window
from classifyd.reports import Profile

BASELINE = {
    "labels": {"ham": 700, "spam": 300},
    "score_mean": 0.97,
    "score_deviation": 0.06,
    "review_share": 0.02,
    "unknown_share": 0.001,
}


def profile(records: int = 1000, spam: int = 300, **changes: object) -> Profile:
    """So many records as the baseline would have them, but for what is changed."""
    facts = {
        "labels": {"ham": records - spam, "spam": spam},
        "scores": 0.97 * records,
        "reviews": records // 50,
        "tokens": 100 * records,
        "unknown": records // 10,
    }
    return Profile("spam", 3, records, **facts | changes)


def values(now: Profile, told: dict = BASELINE) -> dict[str, float]:
    return {one.measure: one.value for one in drift.drift(now, Baseline.of({"baseline": told})).partings}


def warned(now: Profile, told: dict = BASELINE) -> list[str]:
    return [one.measure for one in drift.drift(now, Baseline.of({"baseline": told})).warnings]


def test_records_like_those_of_the_baseline_have_not_drifted() -> None:
    assert values(profile()) == pytest.approx({"labels": 0, "score": 0, "review": 0, "unknown": 0}, abs=1e-3)
    assert warned(profile()) == []


def test_each_measure_is_the_one_of_its_source() -> None:
    moved = values(profile(spam=500, scores=940.0, reviews=100, unknown=5000))
    # (0.5 - 0.3) ln(0.5 / 0.3) + (0.5 - 0.7) ln(0.5 / 0.7)
    assert moved["labels"] == pytest.approx(0.1695, abs=2e-3)
    assert moved["score"] == pytest.approx(0.5)  # (0.97 - 0.94) / 0.06
    assert moved["review"] == pytest.approx(2 * (0.32175 - 0.14190), abs=1e-3)  # arcsines of the roots of 0.1 and 0.02
    assert moved["unknown"] == pytest.approx(2 * (0.22551 - 0.03163), abs=1e-3)


@pytest.mark.parametrize(
    ("now", "measure"),
    [
        (profile(spam=900), "labels"),
        (profile(labels={"ham": 500, "spam": 300, "a new one": 200}), "labels"),
        (profile(scores=850.0), "score"),
        (profile(reviews=300), "review"),
        (profile(unknown=20_000), "unknown"),
    ],
)
def test_what_has_parted_is_warned_of_in_words(now: Profile, measure: str) -> None:
    assert warned(now) == [measure]
    [told] = drift.drift(now, Baseline.of({"baseline": BASELINE})).warnings
    assert str(told).startswith(drift.NAMES[measure])
    assert " where the baseline has " in str(told)


def test_where_the_configuration_wants_no_warning_it_is_measured_all_the_same() -> None:
    found = drift.drift(profile(spam=900), Baseline.of({"baseline": BASELINE}), warned=False)
    assert found.warnings == ()
    assert found.partings != ()


def test_a_share_for_review_that_another_score_makes_is_not_compared() -> None:
    found = drift.drift(profile(reviews=900), Baseline.of({"baseline": BASELINE}), reviews=False)
    assert "review" not in found.known
    assert found.warnings == ()


def test_of_few_records_nothing_is_said_whatever_they_are() -> None:
    few = drift.LEAST - 1
    assert values(profile(few, spam=few, scores=0.5 * few, reviews=few, unknown=50 * few)) == {}
    assert set(values(profile(drift.LEAST))) == set(drift.BOUNDS)


def test_few_spans_of_many_records_are_few() -> None:
    now = profile(labels={"PER": 30, "LOC": 1}, scores=10.0)
    assert set(values(now, BASELINE | {"labels": {"PER": 300, "LOC": 300, "ORG": 300}})) == {"review", "unknown"}


def test_chance_alone_raises_no_alarm() -> None:
    """As many records as are enough, drawn a thousand times from the baseline's own shares, also of many labels."""
    draw = random.Random(7)
    for shares in ([0.7, 0.3], [0.97, 0.03], [1 / 20] * 20, [0.6, *[0.4 / 30] * 30]):
        labels = [str(number) for number in range(len(shares))]
        before = Baseline(dict(zip(labels, (1000 * share for share in shares), strict=True)))
        for _ in range(250):
            said = Counter(draw.choices(labels, shares, k=drift.LEAST))
            assert drift.drift(Profile("t", 1, drift.LEAST, said), before).warnings == ()


def test_a_bundle_without_a_baseline_has_the_mix_that_its_figures_imply() -> None:
    """Of 90 called ham 80 are, of 30 called spam 20 are: the figures from which the confusion is had back."""
    figures = {
        "ham": {"precision": 80 / 90, "recall": 80 / 90, "support": 90},
        "spam": {"precision": 20 / 30, "recall": 20 / 30, "support": 30},
    }
    found = Baseline.of({"metrics": {"labels": figures}})
    assert found.labels == pytest.approx({"ham": 90, "spam": 30}, abs=0.01)
    assert found.measures == ("labels",)


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"metrics": None},
        {"metrics": {"labels": {"a": {"precision": "x"}, "b": 1}}},
        {"metrics": {"labels": {"a": {"precision": 0.5, "recall": 0.5, "support": 3}, "b": []}}},
        {"baseline": {}},
        {"baseline": {"labels": [1], "score_mean": "0.5", "review_share": -1, "unknown_share": True}},
        {"baseline": {"labels": {"only": 5}, "score_mean": 0.5}},
    ],
)
def test_a_manifest_that_tells_nothing_or_nonsense_has_no_baseline(manifest: dict) -> None:
    found = drift.drift(profile(), Baseline.of(manifest))
    assert (found.known, found.partings) == ((), ())


def test_the_window_holds_the_newest_records_alone_and_few_blocks() -> None:
    window = Window()
    for _ in range(9000):
        window.add(profile(1, spam=1))
    for _ in range(drift.WINDOW_RECORDS + drift.BLOCK_RECORDS):
        window.add(profile(1, spam=0))
    total = window.total()
    assert drift.WINDOW_RECORDS <= total.records <= drift.WINDOW_RECORDS + 2 * drift.BLOCK_RECORDS
    assert total.labels["ham"] >= drift.WINDOW_RECORDS
    assert total.labels["spam"] <= drift.BLOCK_RECORDS
    assert len(window._blocks) <= drift.WINDOW_RECORDS / drift.BLOCK_RECORDS + 2
    window.add(profile(100_000))
    assert window.total().records <= 100_000 + drift.WINDOW_RECORDS + drift.BLOCK_RECORDS
    window.add(profile(drift.WINDOW_RECORDS))
    assert window.total().records == drift.WINDOW_RECORDS


def test_labels_that_a_plugin_makes_up_are_told_apart_up_to_a_bound_and_counted_all_the_same() -> None:
    window, known = Window(), [f"kind {number}" for number in range(300)]
    for job in range(60):
        made_up = {f"label {job} {number}": 1 for number in range(2000)}
        window.add(profile(100, labels={"kind 299": 10} | made_up | dict.fromkeys(known[:299], 1)), known)
    total, blocks = window.total(), len(window.blocks)
    assert all(len(block.labels) <= len(known) + drift.MOST_STRANGE + 1 for block in window.blocks)
    assert sum(total.labels.values()) == blocks * (2000 + 299 + 10)
    assert {total.labels[label] for label in known[:299]} == {blocks}
    assert total.labels["kind 299"] == 10 * blocks
    parted = Baseline.of({"baseline": {"labels": dict.fromkeys(known, 1)}})
    told = dict.fromkeys(known, blocks) | {"kind 299": 10 * blocks, "another": 2000 * blocks}
    assert drift.drift(total, parted).partings == drift.drift(profile(total.records, labels=told), parted).partings


def test_a_window_is_summed_up_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The main loop does it once a second."""
    window = Window(profile(100, labels={f"label {block} {number}": 1 for number in range(100)}) for block in range(50))
    made = []
    monkeypatch.setattr(drift, "Counter", lambda *given: made.append(given) or Counter(*given))
    assert len(window.total().labels) == 5000
    assert made == [()]
