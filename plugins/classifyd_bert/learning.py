"""The Trainer's part: a model tuned by a recipe, evaluated and kept each epoch, the best one at the end."""

import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import Sampler, SequentialSampler
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

from classifyd.api import TrainingError
from classifyd_bert.features import Items, OneOfEach
from classifyd_bert.recipe import Recipe

POOL_BATCHES = 50
"""How many batches are sorted by length together: more leave less padding, and less chance."""

Logits = Sequence[np.ndarray]
"""One float32 array per window: (labels,) for a sequence model; (tokens, labels) for a token model, where rows beyond
the window's own tokens are padding."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a model is tuned on, and how well it does it.

    `measure` turns the evaluation windows' logits into figures; the one named `best` decides which epoch is kept.
    """

    train: OneOfEach | Items
    evaluation: Items
    collator: Any
    measure: Callable[[Logits], dict[str, float]]
    best: str


def tune(
    model: PreTrainedModel,
    lesson: Lesson,
    recipe: Recipe,
    folder: Path,
    seed: int,
    *,
    resume: bool,
    saved: Callable[[], None] | None = None,
) -> PreTrainedModel:
    """The model after its best epoch, in evaluation mode.

    Checkpoints of the last three epochs and TensorBoard events stay in `folder`; `resume` takes up the last one there.
    `saved` is called after each.
    """
    freeze(model, recipe.freeze)
    trainer = _Trainer(
        model=model,
        args=_arguments(recipe, lesson, folder, seed),
        train_dataset=lesson.train,
        eval_dataset=lesson.evaluation,
        data_collator=lesson.collator,
        compute_metrics=lambda prediction: lesson.measure(prediction.predictions),
        callbacks=[_NextWindows(lesson.train), _Telling(), *([_Saved(saved)] if saved else [])],
    )
    trainer.remove_callback(PrinterCallback)
    checkpoint = get_last_checkpoint(str(folder / "checkpoints")) if resume and folder.is_dir() else None
    result = trainer.train(resume_from_checkpoint=checkpoint)
    if not np.isfinite(result.training_loss):
        raise TrainingError(
            f"the loss became {result.training_loss}; try a lower learning rate than {recipe.learning_rate}"
        )
    # Without the wrapper that accelerate puts around it for half precision: from here on it calculates in float32.
    return trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False).eval()


def freeze(model: PreTrainedModel, what: str) -> None:
    """Leave the encoder ("all"), or its embeddings and lowest layers (a number), as the base model has them."""
    if what == "none":
        return
    encoder = model.base_model
    layers = _layers(encoder)
    if what == "all":
        still = [encoder.embeddings, *layers]
    elif int(what) <= len(layers):
        still = [encoder.embeddings, *layers[: int(what)]]
    else:
        raise TrainingError(f"freeze {what}: the base model has {len(layers)} layers")
    for module in still:
        module.requires_grad_(requires_grad=False)


def _layers(encoder: nn.Module) -> Sequence[nn.Module]:
    """The encoder's layers, lowest first: its longest list of modules, whatever the family calls it."""
    lists = [list(module) for module in encoder.modules() if isinstance(module, nn.ModuleList)]
    return max(lists, key=len)


def _arguments(recipe: Recipe, lesson: Lesson, folder: Path, seed: int) -> TrainingArguments:
    on_gpu = torch.cuda.is_available()
    precision = _precision(recipe.precision, on_gpu=on_gpu)
    return TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        logging_dir=str(folder / "events"),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=2 * recipe.batch_size,
        weight_decay=recipe.weight_decay,
        warmup_ratio=recipe.warmup,
        label_smoothing_factor=recipe.label_smoothing,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=3,
        load_best_model_at_end=True,
        metric_for_best_model=lesson.best,
        greater_is_better=True,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=not on_gpu,
        optim="adamw_torch_fused",
        logging_steps=20,
        report_to=["tensorboard"],
        seed=seed,
        disable_tqdm=not sys.stderr.isatty(),
        dataloader_pin_memory=on_gpu,
    )


def _precision(asked: str, *, on_gpu: bool) -> str:
    """What "auto" means here: half precision where the hardware has it. TrainingError for fp16 without a GPU."""
    if asked == "fp16" and not on_gpu:
        raise TrainingError("precision fp16 needs a GPU; on a CPU use bf16 or fp32")
    if asked != "auto":
        return asked
    if on_gpu:
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "fp32"  # noqa: SLF001 (torch has no public name for it)


class _ByLength(Sampler[int]):
    """The order of one epoch: texts of similar length side by side, so that batches hold little padding.

    The batches themselves come in random order. Sorted from long to short, as transformers has them, each stretch of
    an epoch would end with nothing but short texts, and the model would unlearn the long ones.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._chance = random.Random(seed)  # noqa: S311  # an order, not a secret

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        places = list(range(len(self._lengths)))
        self._chance.shuffle(places)
        pool = POOL_BATCHES * self._batch_size
        batches = []
        for start in range(0, len(places), pool):
            alike = sorted(places[start : start + pool], key=self._lengths.__getitem__)
            batches += [alike[first : first + self._batch_size] for first in range(0, len(alike), self._batch_size)]
        # One that is not full has to be the last: the loader cuts the order into batches again.
        rest = [batch for batch in batches if len(batch) < self._batch_size]
        full = [batch for batch in batches if len(batch) == self._batch_size]
        self._chance.shuffle(full)
        return iter([place for batch in (*full, *rest) for place in batch])


class _Trainer(Trainer):
    """A Trainer with batches of similar length, that evaluates in the order of the data.

    The order lets windows be put back together.
    """

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        data = train_dataset if train_dataset is not None else self.train_dataset
        lengths = [len(data[place]["input_ids"]) for place in range(len(data))]
        return _ByLength(lengths, self.args.train_batch_size, self.args.seed + int(self.state.epoch or 0))

    def _get_eval_sampler(self, eval_dataset: Any) -> Sampler[int]:
        return SequentialSampler(eval_dataset)


class _NextWindows(TrainerCallback):
    """Has long texts show another window in each epoch."""

    def __init__(self, data: OneOfEach | Items) -> None:
        self._data = data

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002 (the Trainer names them)
        if isinstance(self._data, OneOfEach):
            self._data.choose(int(state.epoch or 0))


class _Saved(TrainerCallback):
    """Calls a function once a checkpoint is whole and older ones are gone, in the one process that writes them."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002 (the Trainer names them)
        if state.is_world_process_zero:
            self._call()


class _Telling(TrainerCallback):
    """One JSON line per evaluation on stderr."""

    def on_evaluate(
        self,
        args: TrainingArguments,  # noqa: ARG002 (the Trainer names them)
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        metrics: dict[str, float],
        **_: Any,
    ) -> None:
        figures = {name.removeprefix("eval_"): round(value, 4) for name, value in metrics.items()}
        print(json.dumps({"event": "evaluated", "step": state.global_step, **figures}), file=sys.stderr, flush=True)
