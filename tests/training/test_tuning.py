"""Tuning itself, without what follows: epochs, checkpoints, windows, frozen encoders, faults."""

import itertools
import json
import os
import pickle
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from classifyd.api import Example, Span, TrainingError, TrainingSets, TrainSetup
from classifyd_bert import base, checkpoints, draft
from classifyd_bert.freezing import FrozenModel
from classifyd_bert.kinds import Kind, SequenceKind, TokenKind
from classifyd_bert.recipe import Recipe
from classifyd_bert.tokens import Tokenizer
from classifyd_bert.tuning import Tuned, Tuning

pytestmark = pytest.mark.filterwarnings("default")  # torch and transformers warn of themselves

QUICK = {"epochs": 2, "learning_rate": 5e-3, "batch_size": 16, "max_length": 32, "precision": "fp32"}
Tune = Callable[..., Tuned]


def sets(rows: Sequence[dict[str, Any]]) -> TrainingSets:
    examples = [
        Example(
            row["text"],
            row.get("label"),
            tuple(Span(one["start"], one["end"], one["label"], 1.0) for one in row["spans"])
            if "spans" in row
            else None,
        )
        for row in rows
    ]
    random.Random(5).shuffle(examples)
    labels = {example.label for example in examples if example.label}
    labels |= {span.label for example in examples for span in example.spans or ()}
    return TrainingSets(tuple(examples[::2]), tuple(examples[1::6]), tuple(examples[3::6]), tuple(sorted(labels)))


@pytest.fixture
def tune(tmp_path: Path, base_model: Path, spam_rows: list[dict[str, object]]) -> Tune:
    """Tunes a tiny model in `tmp_path/run`; arguments are the recipe's, or named here."""

    def go(
        kind: Kind | None = None,
        rows: Any = None,
        *,
        base_folder: Path = base_model,
        resume: bool = False,
        **recipe: Any,
    ) -> Tuned:
        settled = Recipe.of({**QUICK, **recipe})
        setup = TrainSetup("spam", tmp_path / "run", str(base_folder), seed=3, resume=resume)
        found = base.find(str(base_folder))
        tokenizer = Tokenizer(
            draft.plain_tokenizer(found.folder / "tokenizer.json"), settled.max_length, settled.stride
        )
        return Tuning(kind or SequenceKind(), sets(rows or spam_rows), setup, settled, found).run(tokenizer)

    return go


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "run" / "checkpoints"


def steps(folder: Path) -> list[int]:
    return sorted(int(path.name.partition("-")[2]) for path in folder.glob("checkpoint-*"))


def log(checkpoint: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((checkpoint / "trainer_state.json").read_text())
    return state


def same(first: Tuned, second: Tuned) -> bool:
    theirs = second.model.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in first.model.state_dict().items())


# ---------------------------------------------------------------------- epochs


def test_each_epoch_is_evaluated_and_kept_and_the_best_of_the_last_three_comes_back(
    tune: Tune, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tuned = tune(epochs=5)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert [line["event"] for line in lines] == ["evaluated"] * 5
    assert [line["step"] for line in lines] == [6, 12, 18, 24, 30]
    assert all({"loss", "f1", "steps"} <= line.keys() for line in lines)
    best = max(lines, key=lambda line: line["f1"])["step"]  # of equals the first
    assert tuned.facts["best_step"] == best
    assert len(steps(kept)) == 3
    assert {best, 30} <= set(steps(kept))
    weights = load_file(kept / f"checkpoint-{best}" / "model.safetensors")
    assert all(torch.equal(tensor, tuned.model.state_dict()[name]) for name, tensor in weights.items())
    assert list((kept.parent / "events").glob("events.out.tfevents.*"))


@pytest.mark.parametrize(("figure", "averaged"), [(0.7, 3), (0.6, 1)])
def test_the_mean_of_the_last_epochs_is_taken_if_it_beats_the_best_of_them(
    tune: Tune, kept: Path, monkeypatch: pytest.MonkeyPatch, figure: float, averaged: int
) -> None:
    figures = iter([0.3, 0.5, 0.6, 0.4, figure])  # of four epochs, of which three are kept, and of their mean
    monkeypatch.setattr(Tuning, "_measure", lambda *_: lambda _: {"f1": next(figures)})
    tuned = tune(epochs=4, average=3)
    assert (tuned.facts["averaged_epochs"], tuned.facts["best_step"]) == (averaged, 18)
    several = [load_file(kept / f"checkpoint-{step}" / "model.safetensors") for step in (12, 18, 24)]
    for name, tensor in tuned.model.state_dict().items():
        mean = sum(weights[name] for weights in several) / 3
        assert torch.allclose(tensor, mean if averaged == 3 else several[1][name], atol=1e-7)
    assert not torch.allclose(several[0]["classifier.weight"], several[1]["classifier.weight"])


def test_epochs_that_bring_nothing_better_end_the_training(tune: Tune) -> None:
    # With so small a rate nothing changes: the first epoch is the best, and two more are waited for.
    assert tune(epochs=9, learning_rate=1e-9, early_stopping=2).facts["steps"] == 3 * 6


def test_a_training_that_had_stopped_early_stays_so_when_it_is_resumed(tune: Tune) -> None:
    recipe = {"epochs": 9, "learning_rate": 1e-9, "early_stopping": 2}
    tune(**recipe)
    assert tune(**recipe, resume=True).facts["steps"] == 3 * 6


def test_accumulated_batches_have_the_loss_of_one_batch_of_their_size(
    tune: Tune, base_model: Path, kept: Path, tmp_path: Path
) -> None:
    still = tmp_path / "still"
    shutil.copytree(base_model, still)
    config = json.loads((still / "config.json").read_text()) | {"hidden_dropout_prob": 0.0}
    (still / "config.json").write_text(json.dumps(config))

    def loss(**recipe: Any) -> Any:
        tuned = tune(base_folder=still, freeze="all", epochs=20, learning_rate=1e-9, label_smoothing=0.1, **recipe)
        assert tuned.facts["steps"] == 20
        (logged,) = [entry["loss"] for entry in log(kept / "checkpoint-20")["log_history"] if "loss" in entry]
        return logged

    whole = loss(batch_size=96)
    assert loss(batch_size=8, gradient_accumulation=12) == pytest.approx(whole, abs=2e-4)


def test_checkpointed_gradients_are_the_same_gradients(tune: Tune) -> None:
    assert same(tune(epochs=1), tune(epochs=1, gradient_checkpointing=True))


# ---------------------------------------------------------------------- windows, labels, frozen layers


def test_all_windows_of_a_text_are_learnt_from_in_each_epoch(tune: Tune, spam_rows: list[dict[str, Any]]) -> None:
    long = [{**row, "text": f"{row['text']} " * 12} for row in spam_rows]
    one, every = tune(rows=long, epochs=1), tune(rows=long, epochs=1, windows="all")
    assert one.facts["windows"] == every.facts["windows"] > 2 * 90
    assert one.facts["steps"] == 6
    assert every.facts["steps"] == -(-every.facts["windows"] // 16)


def test_rare_labels_weigh_more_and_the_manifest_hears_how_much(tune: Tune, spam_rows: list[dict[str, Any]]) -> None:
    skewed = [row for row in spam_rows if row["label"] == "ham"] + [r for r in spam_rows if r["label"] == "spam"][:18]
    weights = tune(rows=skewed, epochs=1, class_weights="balanced").facts["class_weights"]
    learnt = [example.label for example in sets(skewed).train]
    assert weights["spam"] / weights["ham"] == pytest.approx(learnt.count("ham") / learnt.count("spam"), rel=0.01)
    assert tune(rows=skewed, epochs=1, class_weights="none").facts["class_weights"] is None


@pytest.mark.parametrize("freeze", ["0", "1", "2"])
def test_the_lowest_layers_stay_as_the_base_has_them(tune: Tune, base_model: Path, freeze: str) -> None:
    before = load_file(base_model / "model.safetensors")
    after = {name.removeprefix("bert."): tensor for name, tensor in tune(freeze=freeze).model.state_dict().items()}
    still = {name for name, tensor in before.items() if torch.equal(tensor, after[name])}
    frozen = ("embeddings", *(f"encoder.layer.{number}." for number in range(int(freeze))))
    lowest = {name for name in before if name.startswith(frozen)}
    assert still == lowest


def test_more_frozen_layers_than_there_are_is_refused(tune: Tune) -> None:
    with pytest.raises(TrainingError, match="freeze 3: the base model has 2 layers"):
        tune(freeze="3")


@pytest.mark.parametrize("kind", [SequenceKind(), TokenKind()])
def test_a_dense_head_learns_on_an_encoder_that_stays_as_it_is(
    tune: Tune, base_model: Path, kept: Path, kind: Kind, spam_rows: list[Any], ner_rows: list[Any]
) -> None:
    rows = spam_rows if kind.name == "sequence" else ner_rows
    tuned = tune(kind, rows, freeze="all", epochs=30, learning_rate=1e-2, batch_size=4)
    assert isinstance(tuned.model, FrozenModel)
    before = load_file(base_model / "model.safetensors")
    after = {name.removeprefix("encoder."): tensor for name, tensor in tuned.model.encoder.state_dict().items()}
    assert all(torch.equal(tensor, after[name.removeprefix("encoder.")]) for name, tensor in before.items())
    # The encoder takes no part in the epochs: what is kept of them is the head alone.
    learnt = load_file(next(kept.glob("checkpoint-*")) / "model.safetensors")
    assert all(name.startswith(("hidden", "outputs")) for name in learnt)
    history = log(kept / f"checkpoint-{tuned.facts['steps']}")["log_history"]
    assert max(entry.get("eval_f1", 0) for entry in history) > 0.9


# ---------------------------------------------------------------------- resuming


def interrupted(monkeypatch: pytest.MonkeyPatch, tune: Tune, after: int, **recipe: Any) -> None:
    """A training that ends once that many checkpoints are whole."""
    mark = checkpoints.mark_whole
    marked: list[Path] = []

    def then_stop(folder: Path) -> None:
        mark(folder)
        marked.append(folder)
        if len(marked) == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "mark_whole", then_stop)
        with pytest.raises(KeyboardInterrupt):
            tune(**recipe)


@pytest.mark.parametrize("recipe", [{}, {"freeze": "all"}, {"windows": "all"}], ids=str)
def test_a_resumed_training_ends_with_the_model_of_one_that_was_not_interrupted(
    tune: Tune, kept: Path, monkeypatch: pytest.MonkeyPatch, recipe: dict[str, Any]
) -> None:
    whole = tune(epochs=4, **recipe)
    shutil.rmtree(kept)
    interrupted(monkeypatch, tune, 2, epochs=4, **recipe)
    resumed = tune(epochs=4, **recipe, resume=True)
    assert resumed.facts["resumed_after"] == whole.facts["steps"] // 2
    assert {**resumed.facts, "resumed_after": None} == whole.facts
    assert same(resumed, whole)


@pytest.mark.parametrize(
    ("step", "resumed_after", "found"),
    [("mark_whole", 18, (0.6, 0.5, 0.4, 0.9)), ("remove_spare", 24, (0.9, 0.5, 0.4, 0.6))],
)
def test_a_kill_between_two_steps_of_a_checkpoint_loses_none_of_those_before(
    tune: Tune, kept: Path, monkeypatch: pytest.MonkeyPatch, step: str, resumed_after: int, found: tuple[float, ...]
) -> None:
    mean = 1.0
    scripted(monkeypatch, *found, mean)
    whole = tune(epochs=4, average=3)
    left = steps(kept)
    shutil.rmtree(kept)
    scripted(monkeypatch, *found)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, step, dying(getattr(checkpoints, step), at_call=4))
        tune(epochs=4, average=3)
    assert steps(kept) == [6, 12, 18, 24]
    scripted(monkeypatch, *found[resumed_after // 6 :], mean)
    resumed = tune(epochs=4, average=3, resume=True)
    assert resumed.facts["resumed_after"] == resumed_after
    assert steps(kept) == left
    assert same(resumed, whole)


def dying(step: Callable[[Path], None], at_call: int) -> Callable[[Path], None]:
    calls = itertools.count(1)

    def die(folder: Path) -> None:
        if next(calls) == at_call:
            raise KeyboardInterrupt
        step(folder)

    return die


def scripted(monkeypatch: pytest.MonkeyPatch, *found: float) -> None:
    """Have the evaluations find this, one after the other."""
    figures = iter(found)
    monkeypatch.setattr(Tuning, "_measure", lambda *_: lambda _: {"f1": next(figures)})


def test_half_a_checkpoint_is_passed_over_for_the_one_before(
    tune: Tune, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tune(epochs=3)
    (kept / "checkpoint-18" / checkpoints.MARK).unlink()  # what a kill before the end of the writing leaves behind
    with (kept / "checkpoint-12" / "optimizer.pt").open("r+b") as file:
        file.truncate(1000)  # what a power cut may leave behind
    resumed = tune(epochs=3, resume=True)
    said = capsys.readouterr().err
    assert "resuming after checkpoint-6" in said
    assert "checkpoint-18 is not whole" in said
    assert same(resumed, whole)


def test_a_folder_without_a_whole_checkpoint_is_begun_anew(tune: Tune, kept: Path, capsys: Any) -> None:
    tune(epochs=1)
    (kept / "checkpoint-6" / checkpoints.MARK).unlink()
    assert tune(epochs=1, resume=True).facts["steps"] == 6
    assert "from the start" in capsys.readouterr().err


def test_checkpoints_may_have_moved_to_another_folder(
    tune: Tune, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted(monkeypatch, tune, 2, epochs=2)
    state = kept / "checkpoint-12" / "trainer_state.json"
    state.write_text(state.read_text().replace(str(kept), "/elsewhere/checkpoints"))
    checkpoints.mark_whole(state.parent)
    assert tune(epochs=2, resume=True).facts["steps"] == 12
    assert "resuming after checkpoint-12" in capsys.readouterr().err


def test_resuming_with_another_recipe_is_refused_with_what_differs(tune: Tune, kept: Path) -> None:
    tune(epochs=1)
    before = sorted(kept.iterdir())
    with pytest.raises(TrainingError) as caught:
        tune(epochs=4, label_smoothing=0.1, resume=True)
    assert "epochs was 1 and is now 4; label_smoothing was 0.0 and is now 0.1" in str(caught.value)
    assert "batch_size" not in str(caught.value)
    assert sorted(kept.iterdir()) == before


def test_resuming_on_a_base_model_that_changed_is_refused(tune: Tune, base_model: Path, tmp_path: Path) -> None:
    tune(epochs=1)
    other = tmp_path / "other"
    shutil.copytree(base_model, other)
    weights = load_file(other / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in weights.items()}, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(TrainingError, match="base_sha256 was"):
        tune(epochs=1, base_folder=other, resume=True)


class Evil:
    """A pickle that touches a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_pickled_model_among_the_checkpoints_is_refused(tune: Tune, kept: Path, tmp_path: Path) -> None:
    tune(epochs=1)
    (kept / "checkpoint-6" / "model.safetensors").unlink()
    (kept / "checkpoint-6" / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.raises(TrainingError, match=r"pytorch_model.bin: is a pickle, which can run code"):
        tune(epochs=1, resume=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_no_code_runs_from_the_state_of_the_trainer(tune: Tune, kept: Path, tmp_path: Path, name: str) -> None:
    recipe = {"epochs": 2, "learning_rate": 1e-9}  # so that the first epoch is the best
    tune(**recipe)
    shutil.rmtree(kept / "checkpoint-12")
    torch.save(Evil(tmp_path / "ran"), kept / "checkpoint-6" / name)
    checkpoints.mark_whole(kept / "checkpoint-6")  # even if somebody forges the mark
    with pytest.raises(TrainingError, match="cannot be resumed from"):
        tune(**recipe, resume=True)
    assert not (tmp_path / "ran").exists()


# ---------------------------------------------------------------------- faults


def test_a_loss_that_is_no_number_ends_the_training_at_once_and_names_a_remedy(
    tune: Tune, base_model: Path, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(base_model, broken)
    weights = load_file(broken / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][:] = float("nan")
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(TrainingError, match=r"the loss became nan at step 1, .* lower --learning-rate than 0.005"):
        tune(base_folder=broken)
    assert "evaluated" not in capsys.readouterr().err
    assert steps(kept) == []


def test_a_base_model_whose_weights_are_cut_off_is_named(tune: Tune, base_model: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(base_model, cut)
    with (cut / "model.safetensors").open("r+b") as file:
        file.truncate(5000)
    with pytest.raises(TrainingError, match=r"cannot be loaded: .* Fetch it again"):
        tune(base_folder=cut)


def test_a_base_model_without_a_fast_tokenizer_is_refused_with_the_way_to_make_one(
    tune: Tune, base_model: Path, tmp_path: Path
) -> None:
    slow = tmp_path / "slow"
    shutil.copytree(base_model, slow)
    (slow / "tokenizer.json").unlink()
    with pytest.raises(TrainingError, match=r"holds no tokenizer\.json.*save_pretrained"):
        tune(base_folder=slow)
    (slow / "tokenizer.json").write_text("{}")
    with pytest.raises(TrainingError, match="is no fast tokenizer"):
        tune(base_folder=slow)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "llama", "max_position_embeddings": 2048}, "model type llama is not an encoder"),
        ({"model_type": "bert", "is_decoder": True, "max_position_embeddings": 512}, "is not an encoder"),
        ({"model_type": "bert"}, "max_position_embeddings is None"),
    ],
)
def test_a_base_model_that_is_no_encoder_is_refused(
    base_model: Path, tmp_path: Path, config: dict[str, Any], said: str
) -> None:
    shutil.copytree(base_model, tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text(json.dumps(config))
    with pytest.raises(TrainingError, match=said):
        base.find(str(tmp_path / "other"))


def test_positions_that_no_token_can_take_do_not_count(base_model: Path, tmp_path: Path) -> None:
    shutil.copytree(base_model, tmp_path / "roberta")
    config = {"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}
    (tmp_path / "roberta" / "config.json").write_text(json.dumps(config))
    assert base.find(str(tmp_path / "roberta")).positions == 512
