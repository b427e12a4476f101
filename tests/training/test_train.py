"""The whole way, with a tiny base model: data, training, bundle, answers."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from classifyd import plugins
from classifyd.api import Record, Setup, TrainingError, TrainingSets, TrainSetup
from classifyd.bundles import Store
from classifyd.training import Columns, TrainOptions, evaluate, train
from classifyd.values import Bundle

pytestmark = pytest.mark.filterwarnings("default")  # torch, transformers and optimum warn of themselves

Write = Callable[[str, Iterable[dict[str, object]]], Path]
RECIPE = {"epochs": 2, "learning_rate": 5e-3, "batch_size": 16, "max_length": 32, "stride": 8, "precision": "fp32"}


@pytest.fixture(scope="module")
def registry() -> plugins.Registry:
    return plugins.load()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training")


def run(registry: plugins.Registry, task: str, data: Path, base: Path, store: Store, **changes: Any) -> Bundle:
    recipe = {**RECIPE, **changes.pop("recipe", {})}
    options = TrainOptions(
        data=(str(data),),
        folder=store.path.parent / "runs" / task,
        base_model=str(base),
        recipe=recipe,
        command=f"classifyd train {task} --data {data.name}",
        **changes,
    )
    return train(registry.task(task), options, store, registry.readers, lambda _: None)


@pytest.fixture
def trained_spam(
    registry: plugins.Registry, base_model: Path, write_jsonl: Write, spam_rows: list[dict[str, object]], tmp_path: Path
) -> tuple[Bundle, Store, Path]:
    data = write_jsonl("spam.jsonl", spam_rows)
    store = Store(tmp_path / "models")
    return run(registry, "spam", data, base_model, store), store, data


def test_labelled_texts_become_a_bundle_that_answers(
    registry: plugins.Registry, trained_spam: tuple[Bundle, Store, Path]
) -> None:
    bundle, store, data = trained_spam
    assert store.current("spam") == bundle.version == 1
    store.verify("spam", 1)
    predictor = registry.task("spam").load(Setup("spam", bundle=bundle))
    answers = predictor.predict([Record("free cash prize"), Record("team meeting")])
    assert [answer.labels[0].label for answer in answers] == ["spam", "ham"]
    figures = evaluate(registry.task("spam"), Setup("spam", bundle=bundle), [str(data)], Columns(), registry.readers)
    assert figures["all"].f1 > 0.95


def test_the_manifest_and_the_report_say_how_it_was_made(trained_spam: tuple[Bundle, Store, Path]) -> None:
    bundle, _, _ = trained_spam
    manifest = bundle.manifest
    assert manifest["labels"] == ["ham", "spam"]
    assert manifest["options"]["epochs"] == 2
    assert manifest["seed"] == 42
    assert len(manifest["data_sha256"]) == len(manifest["base_sha256"]) == 64
    assert manifest["metrics"]["parity"]["agreement"] >= 0.995
    assert manifest["examples"]
    report = bundle.read("report.md").decode()
    for said in ("classifyd train spam --data spam.jsonl", manifest["data_sha256"], "precision", "Seed", "passed"):
        assert said in report
    for name in manifest["files"]:
        bundle.read(name)


def test_a_second_training_waits_for_promotion_and_resume_takes_up_the_checkpoint(
    registry: plugins.Registry, base_model: Path, trained_spam: tuple[Bundle, Store, Path]
) -> None:
    first, store, data = trained_spam
    second = run(registry, "spam", data, base_model, store, resume=True)
    assert (second.version, store.current("spam")) == (2, first.version)
    # Every epoch was in the checkpoint, so that nothing was left to learn: the same model comes out.
    assert second.manifest["files"]["model.onnx"] == first.manifest["files"]["model.onnx"]


def test_marked_texts_become_a_bundle_that_marks(
    registry: plugins.Registry, base_model: Path, write_jsonl: Write, ner_rows: list[dict[str, object]], tmp_path: Path
) -> None:
    store = Store(tmp_path / "models")
    recipe = {"epochs": 6, "learning_rate": 1e-2}
    bundle = run(registry, "ner", write_jsonl("ner.jsonl", ner_rows), base_model, store, recipe=recipe)
    predictor = registry.task("ner").load(Setup("ner", bundle=bundle))
    text = "maria works at acme in paris"
    (answer,) = predictor.predict([Record(text)])
    assert [(text[span.start : span.end], span.label) for span in answer.spans or ()] == [
        ("maria", "PER"),
        ("acme", "ORG"),
        ("paris", "LOC"),
    ]


def test_a_head_on_a_frozen_encoder_serves_like_any_other_model(
    registry: plugins.Registry,
    base_model: Path,
    write_jsonl: Write,
    spam_rows: list[dict[str, object]],
    ner_rows: list[dict[str, object]],
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "models")
    recipe = {"freeze": "all", "epochs": 30, "learning_rate": 1e-2, "batch_size": 8}
    spam = run(registry, "spam", write_jsonl("spam.jsonl", spam_rows), base_model, store, recipe=recipe)
    answers = (
        registry.task("spam").load(Setup("spam", bundle=spam)).predict([Record("free prize"), Record("team lunch")])
    )
    assert [answer.labels[0].label for answer in answers] == ["spam", "ham"]
    ner = run(registry, "ner", write_jsonl("ner.jsonl", ner_rows), base_model, store, recipe=recipe)
    (answer,) = registry.task("ner").load(Setup("ner", bundle=ner)).predict([Record("maria works at acme in paris")])
    assert [span.label for span in answer.spans or ()] == ["PER", "ORG", "LOC"]


def test_a_model_that_eight_bits_change_is_not_published(
    monkeypatch: pytest.MonkeyPatch,
    registry: plugins.Registry,
    base_model: Path,
    write_jsonl: Write,
    spam_rows: list[dict[str, object]],
    tmp_path: Path,
) -> None:
    from classifyd_bert import parity

    monkeypatch.setattr(parity, "AGREEMENT", 1.01)
    store = Store(tmp_path / "models")
    with pytest.raises(TrainingError, match="does not agree with the trained one; nothing is published"):
        run(registry, "spam", write_jsonl("spam.jsonl", spam_rows), base_model, store)
    assert store.versions("spam") == ()


def test_training_makes_no_pickle_of_a_base_model_run(registry: plugins.Registry, tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(TrainingError, match=r"pytorch_model.bin is a pickle, which can run code"):
        start(registry, tmp_path)


def test_a_base_model_that_is_no_encoder_is_named(registry: plugins.Registry, tmp_path: Path) -> None:
    import torch

    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5", "is_encoder_decoder": True}))
    with pytest.raises(TrainingError, match="model type t5 is not an encoder"):
        start(registry, tmp_path)


def test_a_hub_that_is_out_of_reach_is_explained(registry: plugins.Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(TrainingError, match="Without a hub, use a local folder"):
        start(registry, "nobody/nothing-of-that-name")


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"epochs": 0}, "epochs must be a whole number, 1 or more, not 0"),
        ({"learning_rate": 2.0}, "learning_rate must be a number above 0"),
        ({"freeze": "half"}, "freeze must be none, all or a number"),
        ({"precision": "int4"}, "precision must be one of"),
        ({"colour": "red"}, "there is no training option colour"),
        ({"max_length": 4000}, "takes 64 tokens at most; give --max-length 64 or less"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(
    registry: plugins.Registry, base_model: Path, recipe: dict[str, Any], said: str
) -> None:
    with pytest.raises(TrainingError, match=said):
        start(registry, base_model, **recipe)


def start(registry: plugins.Registry, base: Path | str, **recipe: Any) -> None:
    """Begin a training that cannot get far."""
    task = registry.task("spam")
    setup = TrainSetup("spam", Path("nowhere"), str(base), recipe)
    task.train(TrainingSets((), (), (), ("ham", "spam")), setup)  # type: ignore[attr-defined]  # checked elsewhere
