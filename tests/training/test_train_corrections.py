"""Corrections are learnt from and never measured with; what they changed is told on them and on the old test set."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from classifyd import plugins
from classifyd.bundles import Store
from classifyd.training import TrainOptions, prepare, train
from classifyd.training.corrections import join
from classifyd.values import Example, Span, TrainingSets

pytestmark = pytest.mark.filterwarnings("default")  # torch, transformers and optimum warn of themselves

Write = Callable[[str, Iterable[dict[str, object]]], Path]
RECIPE = {"epochs": 2, "learning_rate": 5e-3, "batch_size": 16, "max_length": 32, "stride": 8, "precision": "fp32"}


def ham(text: str) -> Example:
    return Example(text, "ham", source="data")


def spam(text: str) -> Example:
    return Example(text, "spam", source="corrections")


READY = TrainingSets(
    (ham("lunch at noon with anna"), ham("win a free prize now, call us")),
    (ham("the report is due on monday morning"),),
    (ham("minutes of the meeting with ben and maria"),),
    ("ham", "spam"),
)


def test_a_text_of_the_data_gives_way_to_its_correction() -> None:
    joined = join(READY, [spam("Win a FREE prize now, call us!")])
    assert joined.sets.train == (READY.train[0], spam("Win a FREE prize now, call us!"))
    assert joined.findings[0].text == "corrections: 1 are learnt from, 1 of them in place of texts of the data"


def test_the_sets_that_are_measured_with_stay_as_they_were() -> None:
    joined = join(READY, [spam("cash for you"), spam("the report is due on monday morning")])
    assert (joined.sets.evaluation, joined.sets.test) == (READY.evaluation, READY.test)


def test_near_duplicates_of_what_is_held_out_are_left_out() -> None:
    near = [
        spam("Minutes of the meeting with Ben and Maria."),
        spam("minutes of the meeting with ben and maria today"),
        spam("the report is due on monday morning!"),
    ]
    joined = join(READY, [*near, spam("cash for you")])
    assert joined.learnt == (spam("cash for you"),)
    assert joined.findings[1].text == "corrections: 3 left out, near-duplicates of evaluation or test texts"


def test_the_last_correction_of_a_text_counts() -> None:
    joined = join(READY, [spam("cash for you"), ham("Cash for you")])
    assert joined.learnt == (ham("Cash for you"),)


def test_what_does_not_fit_the_data_is_left_out_with_a_warning() -> None:
    strangers = [Example("cash for you", "junk"), Example("maria", spans=(Span(0, 5, "PER", 1.0),)), spam("  ")]
    joined = join(READY, strangers)
    assert joined.sets.train == READY.train
    [_, unfit] = joined.findings
    assert (unfit.number, unfit.warning) == (2, True)


def options(data: Path, base: Path, folder: Path, *corrections: Example, **more: object) -> TrainOptions:
    recipe = {"recipe": RECIPE, "corrections": corrections, **more}
    return TrainOptions((str(data),), folder, str(base), command="classifyd train spam", **recipe)  # type: ignore[arg-type]


def test_corrections_do_not_change_how_the_data_are_divided(
    base_model: Path, write_jsonl: Write, spam_rows: list[dict[str, object]], tmp_path: Path
) -> None:
    registry = plugins.load()
    data = write_jsonl("spam.jsonl", spam_rows)
    corrected = [spam(str(row["text"])) for row in spam_rows if row["label"] == "ham"][:40]
    before, after = (
        prepare(registry.task("spam"), options(data, base_model, tmp_path, *some), registry.readers)
        for some in ((), corrected)
    )
    assert (after.ready.evaluation, after.ready.test) == (before.ready.evaluation, before.ready.test)
    assert 0 < len(after.corrections) < 40
    assert {one.text for one in after.corrections} <= {one.text for one in before.ready.train}
    assert len(after.ready.train) == len(before.ready.train)


def test_what_corrections_changed_is_told_on_them_and_on_the_old_test_set(
    base_model: Path, write_jsonl: Write, spam_rows: list[dict[str, object]], tmp_path: Path
) -> None:
    registry = plugins.load()
    store = Store(tmp_path / "models")
    data = write_jsonl("spam.jsonl", spam_rows)
    task = registry.task("spam")
    train(task, options(data, base_model, tmp_path / "runs"), store, registry.readers, lambda _: None)
    told: list[str] = []
    corrected = [
        spam(f"team {name} report team minutes {name}") for name in ("anna", "ben", "maria", "acme", "nokia")
    ] * 2
    again = options(data, base_model, tmp_path / "runs", *corrected, promote=True)
    bundle = train(task, again, store, registry.readers, told.append)
    assert bundle is not None
    assert bundle.version == 2
    assert "corrections: 5 are learnt from" in told
    [on_them] = [
        line for line in told if line.startswith("on the 5 texts of the corrections, which it has learnt from")
    ]
    assert "of spam@1" in on_them
    [on_test] = [line for line in told if "of the test set: accuracy" in line]
    assert "of spam@1" in on_test
    assert "corrections: 5 are learnt from" in (bundle.path / "report.md").read_text()
