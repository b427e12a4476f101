"""A bundle's baseline counts answers as a worker counts them: else the two would part without any drift."""

from pathlib import Path

import pytest
from tiny import make_bundle

from classifyd.api import Record, Setup
from classifyd.bundles import Store
from classifyd.drift import Baseline, drift
from classifyd.jobs import TaskSpec
from classifyd.pipeline.border import Border
from classifyd.pipeline.counting import Tally
from classifyd.pipeline.efforts import effort, profile
from classifyd.pipeline.loading import Loaded
from classifyd.pipeline.predicting import predict
from classifyd_bert import baseline
from classifyd_bert.predictor import SequencePredictor, TokenPredictor
from classifyd_bert.promises import Thresholds
from classifyd_bert.tokens import Tokenizer

TEXTS = [f"{words} {number}" for number in range(300) for words in ("win a prize now", "hello ☃ maria from berlin ☃")]
KINDS = {
    "sequence": (SequencePredictor, ["ham", "spam"], Thresholds(0.9, {"spam": 0.95})),
    "token": (TokenPredictor, ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], Thresholds(0.8, {"PER": 0.9})),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_answers_counted_by_a_worker_have_not_parted_from_the_baseline(kind: str, tmp_path: Path) -> None:
    predictor, labels, thresholds = KINDS[kind]
    said = {"review": thresholds.review, "labels": dict(thresholds.labels)}
    bundle = make_bundle(Store(tmp_path), "mood", labels, kind, thresholds=said)
    made = predictor(Setup("mood", bundle=bundle))
    readings = made._network.read(TEXTS)
    tokenizer = Tokenizer(bundle.read("tokenizer.json"), 48, 12)
    made.effort()
    loaded = Loaded(TaskSpec("mood", 1), made, "mood@1", thresholds.review, kind == "token", dict(thresholds.labels))
    tally = Tally()
    answers = predict(loaded, [Record(text) for text in TEXTS], Border())
    tally.add(answers)
    now = profile(loaded, tally, effort(loaded, len(TEXTS), 1.0, Border()))

    told = baseline.of("test", readings, answers, thresholds, tokenizer)
    assert told["records"] == now.records == len(TEXTS)
    assert told["labels"] == dict(sorted(now.labels.items()))
    assert told["review_share"] == pytest.approx(now.reviews / now.records, abs=1e-5)
    assert told["unknown_share"] == pytest.approx(now.unknown / now.tokens, abs=1e-6)
    assert 0 < told["unknown_share"] < 0.2
    found = drift(now, Baseline.of({"baseline": told}))
    assert {one.measure: one.value for one in found.partings} == pytest.approx(
        dict.fromkeys(found.known, 0.0), abs=1e-2
    )
    assert {"score", "review", "unknown"} <= set(found.known)
