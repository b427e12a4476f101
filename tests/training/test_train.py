"""The whole way, with a tiny base model: data, training, bundle, answers."""

import contextlib
import errno
import itertools
import json
import os
import resource
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModel

from classifyd import plugins
from classifyd.api import ClassifydError, Record, Setup, TrainedModel, TrainingError, TrainingSets, TrainSetup
from classifyd.bundles import Store
from classifyd.drift import Baseline
from classifyd.training import Columns, TrainOptions, evaluate, train
from classifyd.values import Bundle
from classifyd_bert.widening import widen

pytestmark = pytest.mark.filterwarnings("default")  # torch, transformers and optimum warn of themselves

WORDS = ("anna", "ben", "maria", "london", "paris", "berlin", "acme", "nokia", "siemens", "meeting", "lunch", "office")
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
    tell = changes.pop("tell", lambda _: None)
    options = TrainOptions(
        data=(str(data),),
        folder=store.path.parent / "runs" / task,
        base_model=str(base),
        recipe=recipe,
        command=f"classifyd train {task} --data {data.name}",
        **changes,
    )
    return train(registry.task(task), options, store, registry.readers, tell)


@pytest.fixture(scope="module")
def trained_spam(
    registry: plugins.Registry, base_model: Path, folder: Path, spam_rows: list[dict[str, object]]
) -> tuple[Bundle, Store, Path]:
    """A training that several tests look at; who changes something takes a copy."""
    data = folder / "spam.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in spam_rows), encoding="utf-8")
    store = Store(folder / "models")
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
    parity = manifest["metrics"]["parity"]
    assert parity["agreement"] >= 0.995
    assert parity["fp32_agreement"] == 1.0
    assert 0 < parity["bytes"] < parity["fp32_bytes"]
    assert manifest["examples"]
    implied = Baseline.of({"metrics": manifest["metrics"]}).labels
    assert manifest["baseline"]["labels"] == pytest.approx({label: n for label, n in implied.items() if n}, abs=0.1)
    assert Baseline.of(manifest).measures == ("labels", "score", "review", "unknown")
    report = bundle.read("report.md").decode()
    assert manifest["training"]["resumed_after"] is None
    assert "\n| tuning | " in report
    for said in ("classifyd train spam --data spam.jsonl", manifest["data_sha256"], "precision", "Seed", "passed"):
        assert said in report
    for said in ("ONNX fp32", "PyTorch fp32", "Time and memory", "![Reliability diagram](reliability.png)"):
        assert said in report
    page = bundle.read("report.html").decode()
    assert manifest["data_sha256"] in page
    assert page.count('src="data:image/png;base64,') == report.count("](") > 3
    for name in manifest["files"]:
        bundle.read(name)


def test_a_second_training_that_is_no_better_stays_out_of_service_and_resume_takes_up_the_checkpoint(
    registry: plugins.Registry, base_model: Path, trained_spam: tuple[Bundle, Store, Path], tmp_path: Path
) -> None:
    first, trained, data = trained_spam
    shutil.copytree(trained.path.parent, tmp_path, dirs_exist_ok=True)
    store = Store(tmp_path / "models")
    told: list[str] = []
    second = run(registry, "spam", data, base_model, store, resume=True, tell=told.append)
    assert (second.version, store.current("spam")) == (2, first.version)
    assert "spam@2 is not put in service: it is no better: macro F1" in told[-1]
    # Every epoch was in the checkpoint, so that nothing was left to learn: the same model comes out.
    assert second.manifest["files"]["model.onnx"] == first.manifest["files"]["model.onnx"]
    steps = second.manifest["training"]["steps"]
    assert second.manifest["training"]["resumed_after"] == steps
    assert f"| tuning, resumed after step {steps} of {steps} | " in second.read("report.md").decode()


def test_marked_texts_become_a_bundle_that_marks(
    registry: plugins.Registry, base_model: Path, write_jsonl: Write, ner_rows: list[dict[str, object]], tmp_path: Path
) -> None:
    store = Store(tmp_path / "models")
    recipe = {"epochs": 6, "learning_rate": 1e-2}
    bundle = run(registry, "ner", write_jsonl("ner.jsonl", ner_rows), base_model, store, recipe=recipe)
    predictor = registry.task("ner").load(Setup("ner", bundle=bundle))
    assert bundle.manifest["temperature"] == 1.0
    assert bundle.manifest["span_calibration"]["doubt"] > 0
    text = "maria works at acme in paris"
    (answer,) = predictor.predict([Record(text)])
    assert [(text[span.start : span.end], span.label) for span in answer.spans or ()] == [
        ("maria", "PER"),
        ("acme", "ORG"),
        ("paris", "LOC"),
    ]


def test_a_model_that_is_told_of_capitals_knows_names_by_them(
    registry: plugins.Registry, base_model: Path, write_jsonl: Write, tmp_path: Path
) -> None:
    endings = ("now", "tomorrow", "at the office", "for a report", "with the team")
    rows = []
    for number, (name, other, ending) in enumerate(itertools.product(WORDS, WORDS, endings)):
        large = number % 2 == 0  # nothing but the capital tells
        text = f"{other} {name.title() if large else name} {ending}"
        start = len(other) + 1
        spans = [{"start": start, "end": start + len(name), "label": "LOC"}] if large else []
        rows.append({"text": text, "spans": spans})
    store = Store(tmp_path / "models")
    recipe = {"epochs": 3, "capitals": True}
    bundle = run(registry, "ner", write_jsonl("ner.jsonl", rows), base_model, store, recipe=recipe)
    assert bundle.manifest["capitals"] is True
    predictor = registry.task("ner").load(Setup("ner", bundle=bundle))
    said = predictor.predict([Record("maria London now"), Record("maria london now")])
    assert [[(span.start, span.end) for span in one.spans or ()] for one in said] == [[(6, 12)], []]


@pytest.mark.parametrize("freeze", ["all", "1"])
def test_capitals_cannot_be_learnt_by_embeddings_that_stand_still(
    registry: plugins.Registry,
    base_model: Path,
    write_jsonl: Write,
    spam_rows: list[dict[str, object]],
    tmp_path: Path,
    freeze: str,
) -> None:
    recipe = {"capitals": True, "freeze": freeze}
    with pytest.raises(TrainingError, match="leave out one of --capitals and --freeze, or take a base that knows"):
        run(
            registry,
            "spam",
            write_jsonl("spam.jsonl", spam_rows),
            base_model,
            Store(tmp_path / "models"),
            recipe=recipe,
        )


def test_tasks_that_leave_the_same_layers_alone_share_them_as_one_file(
    registry: plugins.Registry,
    base_model: Path,
    write_jsonl: Write,
    spam_rows: list[dict[str, object]],
    ner_rows: list[dict[str, object]],
    tmp_path: Path,
) -> None:
    # A base that was taught what capitals mean: its layers may stand still, and it is told of them.
    model = AutoModel.from_pretrained(base_model)
    widen(model, "mine")
    base = tmp_path / "base"
    model.save_pretrained(base)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (base / name).write_bytes((base_model / name).read_bytes())
    store = Store(tmp_path / "models")
    with pytest.raises(TrainingError, match="was taught what capitals mean, and must be told of them: give --capitals"):
        run(registry, "spam", write_jsonl("spam.jsonl", spam_rows), base, store, recipe={"freeze": "1"})
    recipe = {"freeze": "1", "capitals": True, "epochs": 12, "learning_rate": 2e-3}
    told: list[str] = []
    data = write_jsonl("spam.jsonl", spam_rows)
    spam = run(registry, "spam", data, base, store, recipe=recipe, tell=told.append)
    ner = run(registry, "ner", write_jsonl("ner.jsonl", ner_rows), base, store, recipe=recipe)
    assert spam.requires == ner.requires
    assert len(list((store.path / "blobs").iterdir())) == 1
    assert spam.manifest["metrics"]["parity"]["quantization"].endswith("on a trunk of 1 layers")
    store.verify("spam", 1)
    predictors = [registry.task(one.task).load(Setup(one.task, bundle=one)) for one in (spam, ner)]
    answers = [one.predict([Record("free prize"), Record("maria works at acme in paris")]) for one in predictors]
    assert answers[0][0].labels[0].label == "spam"
    assert [span.label for span in answers[1][1].spans or ()] == ["PER", "ORG", "LOC"]


def test_a_base_model_without_token_types_cannot_be_told_of_capitals(base_model: Path) -> None:
    config = AutoConfig.from_pretrained(base_model, type_vocab_size=1)
    with pytest.raises(
        TrainingError, match=r"base model mine: a bert model has no token types .* leave out --capitals"
    ):
        widen(AutoModel.from_config(config), "mine")


def test_a_promise_becomes_a_threshold_and_a_model_may_stay_in_floating_point(
    registry: plugins.Registry, base_model: Path, write_jsonl: Write, spam_rows: list[dict[str, object]], tmp_path: Path
) -> None:
    # Half of the texts of one word stand under the other label, so that an error is sure to be made.
    rows = [
        *spam_rows,
        *({"text": f"win {n} {word}", "label": ("ham", "spam")[n % 2]} for n, word in enumerate(WORDS * 2)),
    ]
    recipe = {"promises": ("spam precision 0.8", "ham precision 0.8"), "quantize": "none", "texts": False}
    store = Store(tmp_path / "models")
    bundle = run(registry, "spam", write_jsonl("spam.jsonl", rows), base_model, store, recipe=recipe)
    manifest = bundle.manifest
    assert set(manifest["thresholds"]["labels"]) == {"ham", "spam"}
    assert manifest["promises"] == ["spam precision 0.8", "ham precision 0.8"]
    for one in manifest["metrics"]["promises"]:
        assert one["evaluation"]["share"] >= 0.8
        assert one["evaluation"]["recall"] <= one["evaluation"]["recall_without"]
        assert one["test"]["among"] > 0
    assert manifest["metrics"]["parity"]["quantization"] == "fp32"
    assert manifest["metrics"]["parity"]["bytes"] == manifest["metrics"]["parity"]["fp32_bytes"]
    report = bundle.read("report.md").decode()
    assert "| spam precision 0.8 | test |" in report
    assert not any(str(row["text"]) in report for row in rows)
    store.verify("spam", 1)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"promises": ("spam precision 0.999",), "promise_confidence": 0.99}, "no threshold keeps the promise"),
        ({"promises": ("eggs precision 0.9",)}, "there is no label 'eggs'"),
        ({"quantize": "int4"}, "quantize must be one of int8, none"),
        ({"promise_confidence": 1.0}, "promise_confidence must be a number, 0 or more and below 1"),
    ],
)
def test_what_cannot_be_promised_leaves_the_store_as_it_was(
    registry: plugins.Registry,
    base_model: Path,
    write_jsonl: Write,
    spam_rows: list[dict[str, object]],
    tmp_path: Path,
    recipe: dict[str, Any],
    said: str,
) -> None:
    store = Store(tmp_path / "models")
    with pytest.raises(TrainingError, match=said):
        run(registry, "spam", write_jsonl("spam.jsonl", spam_rows), base_model, store, recipe=recipe)
    assert store.versions("spam") == ()


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


class Unlucky:
    """A task that meets a disk without room once it has learnt."""

    name = "unlucky"

    def load(self, setup: Setup) -> Any:
        raise AssertionError(setup)

    def train(self, sets: TrainingSets, setup: TrainSetup) -> TrainedModel:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(setup.folder / "export"))


def test_a_disk_that_is_full_behind_the_checkpoints_is_named_with_what_to_do(
    registry: plugins.Registry, write_jsonl: Write, spam_rows: list[dict[str, object]], tmp_path: Path
) -> None:
    store = Store(tmp_path / "models")
    options = TrainOptions((str(write_jsonl("spam.jsonl", spam_rows)),), tmp_path / "run", "")
    with pytest.raises(TrainingError, match=r"run/export: No space left on device; nothing is published\. Make room"):
        train(Unlucky(), options, store, registry.readers, lambda _: None)
    assert store.versions("unlucky") == ()


class Learning(Unlucky):
    """A task that leaves a checkpoint and a model."""

    name = "learning"

    def train(self, sets: TrainingSets, setup: TrainSetup) -> TrainedModel:
        (setup.folder / "checkpoints" / "checkpoint-1").mkdir(parents=True, exist_ok=True)
        (setup.folder / "weights").write_text("weights")
        return TrainedModel({"weights": setup.folder / "weights"}, {"labels": list(sets.labels)}, "# Report\n")


def test_a_note_of_the_data_that_breaks_off_is_nothing_that_resume_is_refused_for(
    registry: plugins.Registry, write_jsonl: Write, spam_rows: list[dict[str, object]], tmp_path: Path
) -> None:
    def go(rows: list[dict[str, object]], most_bytes: int | None = None, *, resume: bool = False) -> Bundle | None:
        options = TrainOptions((str(write_jsonl("spam.jsonl", rows)),), tmp_path / "run", "", resume=resume)
        with no_file_above(most_bytes):
            return train(Learning(), options, Store(tmp_path / "models"), registry.readers, lambda _: None)

    assert go(spam_rows)
    for rows, resume in ((spam_rows, True), (spam_rows[10:], False)):
        with pytest.raises(ClassifydError):
            go(rows, most_bytes=20, resume=resume)
        assert go(rows, resume=True)


def test_a_second_training_in_the_folder_of_one_at_work_is_refused_and_touches_nothing_there(
    registry: plugins.Registry, write_jsonl: Write, spam_rows: list[dict[str, object]], tmp_path: Path
) -> None:
    data, store = str(write_jsonl("spam.jsonl", spam_rows)), Store(tmp_path / "models")

    def go(task: Learning, *, resume: bool = False) -> Bundle | None:
        options = TrainOptions((data,), tmp_path / "run", "", resume=resume)
        return train(task, options, store, registry.readers, lambda _: None)

    class Crowded(Learning):
        """Another one begins, twice, when this one has a checkpoint."""

        def train(self, sets: TrainingSets, setup: TrainSetup) -> TrainedModel:
            model = super().train(sets, setup)
            for resume in (False, True):
                with pytest.raises(TrainingError, match="run: another training is at work there"):
                    go(Learning(), resume=resume)
            assert (setup.folder / "checkpoints" / "checkpoint-1").is_dir()
            return model

    assert go(Crowded())
    assert store.versions("learning") == (1,)
    assert go(Learning()), "the folder is free again"


@contextlib.contextmanager
def no_file_above(most_bytes: int | None) -> Iterator[None]:
    """Have the kernel break off what is written behind so many bytes, as a full disk or a kill would."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, limits if most_bytes is None else (most_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


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
