"""A new version comes into service only if it beats the one that is there, and what is said of it has the figures."""

from pathlib import Path
from typing import Any

import pytest
import tiny

from classifyd import plugins
from classifyd.api import BundleError, Record, Setup
from classifyd.bundles import Store
from classifyd.training.promotion import Verdict, judge
from classifyd.values import Bundle, Example

pytestmark = pytest.mark.filterwarnings("default")  # torch and transformers warn of themselves

LABELS = ("ham", "spam")
TEXTS = [f"{first} {second}" for first in tiny.WORDS for second in tiny.WORDS]


@pytest.fixture(scope="module")
def registry() -> plugins.Registry:
    return plugins.load()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def made(
    store: Store, task: str = "spam", labels: tuple[str, ...] = LABELS, kind: str = "sequence", **more: Any
) -> Bundle:
    """A version that does not serve unless it is the first."""
    current = store.current(task)
    bundle = tiny.make_bundle(store, task, labels, kind, **more)
    if current is not None:
        store.promote(task, current)
    return bundle


def as_answered(registry: plugins.Registry, bundle: Bundle) -> list[Example]:
    """Examples of which a model has every one right."""
    answers = registry.task(bundle.task).load(Setup(bundle.task, bundle=bundle)).predict([Record(t) for t in TEXTS])
    pairs = zip(TEXTS, answers, strict=True)
    if bundle.manifest["kind"] == "token":
        return [Example(text, spans=answer.spans) for text, answer in pairs]  # type: ignore[union-attr]
    return [Example(text, answer.labels[0].label) for text, answer in pairs]  # type: ignore[union-attr]


def verdict(
    registry: plugins.Registry, store: Store, new: Bundle, test: list[Example], asked: bool | None = None
) -> Verdict:
    return judge(registry.task(new.task), store, new, test, asked=asked)


def test_a_version_that_beats_what_serves_is_promoted_with_the_figures(
    registry: plugins.Registry, store: Store
) -> None:
    made(store, seed=1)
    new = made(store, seed=2)
    found = verdict(registry, store, new, as_answered(registry, new))
    assert found.promote
    assert found.why.startswith("spam@2 is put in service: macro F1 1.0000 against 0.")
    assert "of spam@1, on the same 144 test texts" in found.why
    assert "0 wrong: more than noise" in found.why


def test_a_version_that_is_worse_or_as_good_stays_out_of_service_and_says_how_to_promote_it(
    registry: plugins.Registry, store: Store
) -> None:
    old = made(store, seed=1)
    worse, same = made(store, seed=2), made(store, seed=1)
    test = as_answered(registry, old)
    for new in (worse, same):
        found = verdict(registry, store, new, test)
        assert not found.promote
        assert "it is no better: macro F1" in found.why
        assert found.why.endswith(f"classifyd models promote spam {new.version}")
    assert "0 turned right, 0 wrong: which may be noise" in verdict(registry, store, same, test).why


def test_spans_are_compared_by_the_f1_of_all_of_them(registry: plugins.Registry, store: Store) -> None:
    made(store, "ner", tiny.BIO, "token", seed=1)
    new = made(store, "ner", tiny.BIO, "token", seed=2)
    found = verdict(registry, store, new, as_answered(registry, new))
    assert found.promote
    assert "micro F1 1.0000 against" in found.why


def test_the_first_version_is_promoted_and_what_the_user_asks_for_is_done(
    registry: plugins.Registry, store: Store
) -> None:
    first = made(store, seed=1)
    test = as_answered(registry, first)
    (store.path / "spam" / "current").unlink()
    found = verdict(registry, store, first, test)
    assert (found.promote, found.why) == (True, "spam@1 is put in service: nothing served before")
    store.promote("spam", 1)
    worse = made(store, seed=2)
    assert verdict(registry, store, worse, test, asked=True).promote
    better = as_answered(registry, worse)
    assert not verdict(registry, store, worse, better, asked=False).promote


def test_other_labels_are_not_promoted_unasked(registry: plugins.Registry, store: Store) -> None:
    made(store, seed=1)
    new = made(store, labels=("ham", "phishing", "spam"), seed=2)
    found = verdict(registry, store, new, [Example("free prize", "spam")])
    assert not found.promote
    assert "it has other labels than spam@1: ham, phishing, spam against ham, spam" in found.why


def test_without_a_test_set_nothing_is_promoted_unasked(registry: plugins.Registry, store: Store) -> None:
    made(store, seed=1)
    found = verdict(registry, store, made(store, seed=2), [])
    assert not found.promote
    assert "there is no test set to compare it with spam@1 on" in found.why


@pytest.mark.parametrize("damage", ["manifest.json", "model.onnx", "current"])
def test_what_serves_but_cannot_be_loaded_is_not_replaced_unasked(
    registry: plugins.Registry, store: Store, damage: str
) -> None:
    made(store, seed=1)
    new = made(store, seed=2)
    test = as_answered(registry, new)
    ((store.path / "spam") / (damage if damage == "current" else f"1/{damage}")).write_bytes(b"broken")
    found = verdict(registry, store, new, test)
    assert not found.promote
    assert damage in found.why
    assert "classifyd models promote spam 2" in found.why


def test_a_new_version_that_cannot_be_loaded_is_not_promoted(registry: plugins.Registry, store: Store) -> None:
    old = made(store, seed=1)
    new = made(store, seed=2, examples=[{"text": "hello", "labels": {"ham": 0.0, "spam": 0.0}}])
    found = verdict(registry, store, new, as_answered(registry, old))
    assert not found.promote
    assert "spam@2 cannot be measured" in found.why
    with pytest.raises(BundleError):
        registry.task("spam").load(Setup("spam", bundle=new))
