"""Answers kept for texts that come again are those that would be given again, and take no more than they may."""

import random
import tracemalloc

import pytest
import tiny

from classifyd.api import Annotation, Bundle, Label, Record, Setup, Span
from classifyd_bert.cache import Cache, _digest
from classifyd_bert.predictor import SequencePredictor, TokenPredictor


def label(score: float) -> Annotation:
    return Annotation(labels=(Label("spam", score), Label("ham", 1 - score)))


def traffic() -> list[list[Record]]:
    """Batches in which texts come again: within one, from one to the next, and much later."""
    chance = random.Random(3)
    known = [" ".join(chance.choices(tiny.WORDS, k=chance.randint(0, 90))) for _ in range(40)]
    known += ["", "\ud800", "\udfff", "Maria", "maria", "maria ", "x" * 500]
    return [[Record(text) for text in chance.choices(known, k=chance.randint(1, 30))] for _ in range(30)]


@pytest.mark.parametrize("kind", ["sequence", "token"])
@pytest.mark.parametrize("cache", ["16 MiB", 3000])
def test_answers_with_a_cache_are_those_without_one(kind: str, cache: object, request: pytest.FixtureRequest) -> None:
    bundle = request.getfixturevalue(kind)
    made = SequencePredictor if kind == "sequence" else TokenPredictor
    kept, fresh = (made(Setup(bundle.task, {"cache": size}, bundle)) for size in (cache, 0))
    for batch in traffic():
        assert fresh.predict(batch) == kept.predict(batch)


def test_a_text_that_comes_again_is_not_read_again(sequence: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    for options, expected in (({}, ["win", "now", "then"]), ({"cache": 0}, ["win", "now", "win", "then"])):
        loaded = SequencePredictor(Setup("spam", options, sequence))
        read: list[str] = []
        inner = loaded._network.read
        monkeypatch.setattr(
            loaded._network, "read", lambda texts, read=read, inner=inner: (read.extend(texts), inner(texts))[1]
        )
        loaded.predict([Record("win"), Record("now"), Record("win")])
        loaded.predict([Record("win"), Record("then")])
        assert expected == read


def test_what_was_asked_for_the_longest_time_ago_gives_way() -> None:
    cache = Cache(4 * 560)
    for text in "abcd":
        cache.keep({text: label(0.5)})
    cache.find(["a"])
    cache.keep({"e": label(0.5)})
    assert ["a", "c", "d", "e"] == sorted(cache.find("abcde"))


def test_an_answer_that_is_larger_than_the_cache_is_not_kept() -> None:
    cache = Cache(10_000)
    cache.keep({"few": Annotation(spans=())})
    cache.keep({"many": Annotation(spans=(Span(0, 1, "PER", 0.5),) * 1000)})
    assert ["few"] == list(cache.find(["few", "many"]))


def test_a_cache_of_no_bytes_keeps_nothing() -> None:
    cache = Cache(0)
    cache.keep({"a": label(0.5)})
    assert {} == cache.find(["a"])


def test_texts_that_differ_in_what_has_no_utf8_are_different() -> None:
    assert 4 == len({_digest(text) for text in ("\ud800", "\ud801", "\ufffd", "?")})


def test_a_full_cache_takes_about_what_it_may() -> None:
    limit = 2 * 2**20
    tracemalloc.start()
    try:
        cache = Cache(limit)
        for number in range(12_000):
            spans = tuple(Span(1000 + number, 2000 + number, "PER", number / 12_001) for _ in range(number % 4))
            cache.keep({f"text {number}": Annotation(spans=spans) if number % 2 else label(number / 12_001)})
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.5 * limit < taken < 1.5 * limit
