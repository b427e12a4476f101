"""The shipped models open, verify, know their answers, and say the same of a text in any company."""

import random

import pytest

from classifyd import bundles
from classifyd.api import Annotation, Predictor, Record, Setup
from classifyd.bundles import Store
from classifyd_bert.predictor import SequencePredictor, TokenPredictor

KINDS = {"spam": SequencePredictor, "topic": SequencePredictor, "ner": TokenPredictor}

SENTENCES = (
    "Claim your free prize now, reply WIN to 80082!",
    "Maria Lopez joined Siemens in Berlin last May.",
    "The central bank left interest rates unchanged on Thursday.",
    "Can you send me the minutes of Monday's meeting?",
    "Researchers say the new chip halves the energy that a search takes.",
    "¡Goool! 3–1 👏👏 at the final whistle, and the crowd in São Paulo went wild.",  # noqa: RUF001  # such dashes are what is tried
    "http://example.org/a?b=c&d=e ---- *** ####",
)


@pytest.fixture(scope="module", params=sorted(KINDS))
def loaded(request: pytest.FixtureRequest) -> Predictor:
    folder = bundles.shipped()
    assert folder is not None, "the checkout has no models/"
    store = Store(folder)
    version = store.current(request.param)
    assert version is not None, f"models/{request.param}/current names no version"
    bundle = store.verify(request.param, version)
    assert bundle.manifest["examples"], "a shipped bundle must bring known answers"
    # With the cache the first answer to a text would only be repeated.
    return KINDS[request.param](Setup(request.param, {"cache": 0}, bundle))


def records() -> list[Record]:
    """Texts from nothing to several windows, of many padded lengths."""
    chance = random.Random(11)
    texts = [" ".join(chance.choices(SENTENCES, k=count)) for count in (*range(0, 40, 4), 80)]
    return [Record(text, index) for index, text in enumerate([*texts, *SENTENCES, " \n", "\x00", "x" * 3000])]


def test_a_shipped_model_says_the_same_bit_for_bit_in_any_company(loaded: Predictor) -> None:
    said = records()
    alone = [loaded.predict([record])[0] for record in said]
    for size in (7, 32, len(said)):
        together = [a for start in range(0, len(said), size) for a in loaded.predict(said[start : start + size])]
        assert together == alone
    assert list(loaded.predict(said[::-1]))[::-1] == alone


def test_a_shipped_model_tells_texts_apart(loaded: Predictor) -> None:
    answers = loaded.predict([Record(text) for text in SENTENCES])
    assert all(isinstance(answer, Annotation) for answer in answers)
    said = {(tuple(label.label for label in a.labels[:1]), tuple(s.label for s in a.spans or ())) for a in answers}
    assert len(said) > 1


@pytest.mark.parametrize("task", sorted(KINDS))
def test_scores_of_a_shipped_model_are_at_most_three_hundredths_off(task: str) -> None:
    folder = bundles.shipped()
    assert folder is not None
    store = Store(folder)
    manifest = store.open(task, store.current(task) or 0).manifest
    assert manifest["metrics"]["set"] == "test"
    assert manifest["metrics"]["calibration_error"] <= 0.03
