"""Bundles that share a trunk answer as they would alone, and what they share is calculated once."""

import gc
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny

from classifyd.api import BLOBS, Annotation, Bundle, BundleError, Record, Setup, TrainedModel
from classifyd.bundles import Store
from classifyd_bert import branching, trunk
from classifyd_bert.predictor import SequencePredictor, TokenPredictor
from classifyd_bert.session import UPWARD, Session
from classifyd_bert.trunk import Branched, Section

TEXTS = ["Win a free prize now", "Hello Maria", "meeting in Berlin on Monday", "", "from the " * 60, "hello " * 200]
RECORDS = [Record(text) for text in TEXTS]
SETUP = {"cache": 0, "runtime": "onnxruntime"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many windows trunks were run on, run by run."""
    seen: list[int] = []
    run = Session.run

    def counted(self: Session, inputs: dict[str, np.ndarray]) -> np.ndarray:
        if self.runtime.outputs == (UPWARD,):
            seen.append(len(inputs["input_ids"]))
        return run(self, inputs)

    monkeypatch.setattr(Session, "run", counted)
    return seen


def branched(store: Store, task: str, kind: str, labels: tuple[str, ...], depth: int = 1, layers: int = 2) -> Bundle:
    """A tiny model in parts, the lower layers as its trunk, in service; its version 2 is the same model whole."""
    whole = store.path / f"{task}.onnx"
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_bytes(tiny.model(kind, len(labels), layers=layers, one_encoder=True))
    parts = branching.split(whole, depth, store.path / f".{task}")
    assert parts is not None
    for path in parts.trunk.values():
        branching.canonical(path)
    said = tiny.make_bundle(store, task, labels, kind, examples=[])
    files = {"model.onnx": whole, "tokenizer.json": said.path / "tokenizer.json"}
    store.publish(task, TrainedModel(files, said.manifest, "# tiny\n"), {})
    files["model.onnx"] = parts.branch
    made = store.publish(task, TrainedModel(files, said.manifest, "# tiny\n", parts.trunk), {})
    return store.promote(task, made.version)


@pytest.fixture
def pair(store: Store) -> Iterator[tuple[Bundle, Bundle]]:
    gc.collect()
    yield branched(store, "spam", "sequence", ("ham", "spam")), branched(store, "ner", "token", tiny.BIO)
    gc.collect()
    assert not list(trunk.SECTIONS)  # nothing outlives its predictors


def scores(answers: list[Annotation]) -> list[object]:
    return [(answer.labels, answer.spans) for answer in answers]


def test_a_model_in_two_says_what_the_whole_says(store: Store) -> None:
    bundle = branched(store, "spam", "sequence", ("ham", "spam"))
    whole = SequencePredictor(Setup("spam", SETUP, store.open("spam", 2))).predict(RECORDS)
    parted = SequencePredictor(Setup("spam", SETUP, bundle)).predict(RECORDS)
    for one, other in zip(whole, parted, strict=True):
        assert one.labels[0].label == other.labels[0].label
        assert one.labels[0].score == pytest.approx(other.labels[0].score, abs=1e-5)


def test_two_heads_on_the_same_layers_have_the_same_trunk_to_the_byte(pair: tuple[Bundle, Bundle]) -> None:
    spam, ner = pair
    assert spam.requires == ner.requires
    assert [path.name for path in (spam.path.parent.parent / BLOBS).iterdir()] == list(spam.requires.values())


def test_tasks_of_one_trunk_run_it_once_and_answer_as_alone_to_the_bit(
    pair: tuple[Bundle, Bundle], runs: list[int]
) -> None:
    spam, ner = (Setup(bundle.task, SETUP, bundle) for bundle in pair)
    alone = scores(SequencePredictor(spam).predict(RECORDS)), scores(TokenPredictor(ner).predict(RECORDS))
    first, second = SequencePredictor(spam), TokenPredictor(ner)
    runs.clear()
    together = scores(first.predict(RECORDS)), scores(second.predict(RECORDS))
    assert together == alone
    once = sum(runs)
    del first
    runs.clear()
    assert scores(second.predict(RECORDS)) == alone[1]
    assert sum(runs) == once  # nothing was left of the round before, and nothing was run twice in it


def test_tasks_that_branch_off_at_different_depths_share_what_lies_below_both(store: Store, runs: list[int]) -> None:
    gc.collect()
    spam = branched(store, "spam", "sequence", ("ham", "spam"), 2, 5)
    ner = branched(store, "ner", "token", tiny.BIO, 4, 5)
    assert set(spam.requires.items()) < set(ner.requires.items())
    assert list(ner.requires) == ["trunk-0-2.onnx", "trunk-2-4.onnx"]
    setups = [Setup(bundle.task, SETUP, bundle) for bundle in (spam, ner)]
    alone = scores(SequencePredictor(setups[0]).predict(RECORDS)), scores(TokenPredictor(setups[1]).predict(RECORDS))
    first, second = SequencePredictor(setups[0]), TokenPredictor(setups[1])
    (lower,) = [one for one in trunk.SECTIONS.values() if one.below is None]
    assert len(lower.readers) == 2
    for predictors in ((first, second), (second, first)):
        runs.clear()
        said = {predictor: scores(predictor.predict(RECORDS)) for predictor in predictors}
        assert (said[first], said[second]) == alone
        # Twice as many as one section alone would be run on: each of the two once.
        once = sum(runs)
        runs.clear()
        lower._kept.clear()
        lower._bytes = 0
        first.predict(RECORDS)
        assert once == 2 * sum(runs)
        lower._kept.clear()
        lower._bytes = 0


def test_layers_that_do_not_follow_one_another_are_refused(store: Store) -> None:
    ner = branched(store, "ner", "token", tiny.BIO, 4, 5)
    requires = {"trunk-2-4.onnx": ner.requires["trunk-2-4.onnx"]}
    with pytest.raises(BundleError, match="requires layers 2 to 4, which do not follow one another"):
        TokenPredictor(Setup("ner", SETUP, replace(ner, manifest={**ner.manifest, "requires": requires})))


def test_what_one_task_did_not_ask_is_calculated_for_the_other(pair: tuple[Bundle, Bundle], runs: list[int]) -> None:
    spam, ner = (Setup(bundle.task, SETUP, bundle) for bundle in pair)
    second = TokenPredictor(ner)
    runs.clear()
    alone = scores(second.predict(RECORDS))
    windows = sum(runs)
    first = SequencePredictor(spam)
    first.predict(RECORDS[:2])
    runs.clear()
    assert scores(second.predict(RECORDS)) == alone
    assert sum(runs) == windows - len(RECORDS[:2]) - 1  # the one of the empty text, which loading tries


def test_what_is_kept_is_bounded_and_gone_once_all_have_had_it(
    pair: tuple[Bundle, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    spam, ner = (Setup(bundle.task, SETUP, bundle) for bundle in pair)
    first, second = SequencePredictor(spam), TokenPredictor(ner)
    (shared,) = trunk.SECTIONS.values()
    first.predict(RECORDS)
    assert shared._bytes == sum(states.nbytes for states, _ in shared._kept.values()) > 0
    second.predict(RECORDS)
    # What the loading left aside: an empty text, which each predictor tries.
    assert len(shared._kept) <= 1
    monkeypatch.setattr(trunk, "KEPT_BYTES", 20_000)
    first.predict(RECORDS)
    assert 0 < shared._bytes <= 20_000
    assert scores(second.predict(RECORDS)) == scores(TokenPredictor(ner).predict(RECORDS))


def test_a_trunk_alone_keeps_nothing(pair: tuple[Bundle, Bundle]) -> None:
    spam, _ = pair
    predictor = SequencePredictor(Setup("spam", SETUP, spam))
    (shared,) = trunk.SECTIONS.values()
    predictor.predict(RECORDS)
    assert not shared._kept


def test_a_branch_without_its_trunk_is_refused(pair: tuple[Bundle, Bundle]) -> None:
    spam, _ = pair
    manifest = {name: value for name, value in spam.manifest.items() if name != "requires"}
    with pytest.raises(BundleError, match=r"takes .*states.*; it must take attention_mask and input_ids"):
        SequencePredictor(Setup("spam", SETUP, replace(spam, manifest=manifest)))


def test_an_altered_trunk_is_refused(pair: tuple[Bundle, Bundle]) -> None:
    spam, _ = pair
    path, _ = spam.files["trunk-0-1.onnx"]
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(BundleError, match="sha256 is"):
        SequencePredictor(Setup("spam", SETUP, spam))


def test_a_graph_without_that_layer_is_not_cut(tmp_path: Path) -> None:
    whole = tmp_path / "whole.onnx"
    whole.write_bytes(tiny.model("sequence", 2))
    assert branching.split(whole, 2, tmp_path / "parts") is None
    assert branching.split(whole, 7, tmp_path / "parts") is None


def test_a_trunk_names_nothing_of_its_origin(tmp_path: Path) -> None:
    whole = tmp_path / "whole.onnx"
    whole.write_bytes(tiny.model("token", 7))
    parts = branching.split(whole, 1, tmp_path)
    assert parts is not None
    (path,) = parts.trunk.values()
    branching.canonical(path)
    made = onnx.load(io.BytesIO(path.read_bytes()))
    assert (made.producer_name, made.producer_version, made.graph.name) == ("", "", "trunk")
    assert [value.name for value in made.graph.output] == [UPWARD]
    assert not any("layer" in node.name for node in made.graph.node)


def test_branched_models_and_trunks_are_what_the_predictors_hold(pair: tuple[Bundle, Bundle]) -> None:
    spam, _ = pair
    predictor = SequencePredictor(Setup("spam", SETUP, spam))
    assert isinstance(predictor._network._session, Branched)
    assert isinstance(predictor._network._session._trunk, Section)
    assert predictor.runtime == "ONNX Runtime"
