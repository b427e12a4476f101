"""The Trainer's part: a model tuned by a recipe, evaluated and kept each epoch, the best one at the end."""

import contextlib
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import Sampler, SequentialSampler
from transformers import (
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainingArguments,
)

from classifyd.api import TrainingError
from classifyd_bert import averaging, checkpoints, watching
from classifyd_bert.batches import ByLength
from classifyd_bert.checkpoints import Checkpoint
from classifyd_bert.epochs import NextEpoch, Patience, Saved, Sound, exhausted, refuse_lost
from classifyd_bert.features import Items, OneOfEach
from classifyd_bert.hardware import Hardware
from classifyd_bert.loss import Loss
from classifyd_bert.recipe import Recipe

Logits = Sequence[np.ndarray]
"""One float32 array per window: (labels,) for a sequence model; (tokens, labels) for a token model, where rows beyond
the window's own tokens are padding."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a model is tuned on, and how well it does it.

    `weights` are the outputs' in the loss, None where all weigh the same. `measure` turns the evaluation windows'
    logits into figures; the one named `best` decides which epoch is kept.
    """

    train: OneOfEach | Items
    evaluation: Items
    collator: Any
    weights: tuple[float, ...] | None
    measure: Callable[[Logits], dict[str, float]]
    best: str


@dataclass(frozen=True, slots=True)
class Course:
    """How and where a model is tuned. Checkpoints and TensorBoard events stay in `folder`."""

    recipe: Recipe
    hardware: Hardware
    folder: Path
    seed: int
    begun: Checkpoint | None = None
    """The checkpoint to go on from; None at the beginning."""
    saved: Callable[[], None] | None = None
    """Called once a checkpoint is whole, in the one process that writes them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The model after its best epoch, in evaluation mode; how many steps it took in all, and which epoch was best.

    `averaged` is how many epochs' weights it is the mean of; 1 where that mean was no better than the best epoch.
    """

    model: nn.Module
    steps: int
    best_step: int | None
    averaged: int


def tune(model: nn.Module, lesson: Lesson, course: Course) -> Outcome:
    """The best of the model's epochs. TrainingError if the loss is lost, the memory or the disk is full."""
    order = ByLength(
        lesson.train, _batch(course.recipe.batch_size, course.hardware) * course.hardware.share, course.seed
    )
    teller = watching.telling(lesson.best)
    patience = Patience(course.recipe.early_stopping, lesson.best)
    trainer = _Trainer(
        model=model,
        args=_arguments(_cut_short(course, lesson.best), lesson),
        train_dataset=lesson.train,
        eval_dataset=lesson.evaluation,
        data_collator=lesson.collator,
        compute_metrics=lambda prediction: lesson.measure(prediction.predictions),
        compute_loss_func=Loss(lesson.weights, course.recipe.label_smoothing),
        callbacks=[
            NextEpoch(order, course.begun),
            Sound(),
            patience,
            teller,
            *([Saved(course.saved)] if course.saved else []),
        ],
    )
    trainer.order = order
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    bar = contextlib.closing(teller) if isinstance(teller, watching.Bar) else contextlib.nullcontext()
    with _faults_named(course), bar:
        trainer.train(resume_from_checkpoint=str(course.begun.folder) if course.begun else None)
        averaged = _average(trainer, lesson, course)
    # Without the wrapper that accelerate puts around it for half precision: from here on it calculates in float32.
    tuned = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False).eval()
    _leave_group(trainer)
    return Outcome(tuned, trainer.state.global_step, trainer.state.best_global_step, averaged)


def _leave_group(trainer: "_Trainer") -> None:
    """End the group of the processes that trained together, if there are several.

    Whoever drops the last reference to the group waits for its threads. Were that the wrapper around the model, it
    would wait with the interpreter's lock in its hand, for a thread that needs this lock to let go of its tensors.
    """
    trainer.model_wrapped = trainer.model
    trainer.accelerator.free_memory()
    trainer.accelerator.end_training()


def _average(trainer: "_Trainer", lesson: Lesson, course: Course) -> int:
    """Give the model the mean of its last epochs if that beats its best one; of how many epochs it now is."""
    folder = course.folder / checkpoints.FOLDER
    count = min(course.recipe.average, len(checkpoints.in_order(folder)))
    mean = averaging.mean_of_last(folder, count)
    if mean is None:
        return 1
    best = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    trainer.model.load_state_dict(mean, strict=False)
    found = trainer.predict(lesson.evaluation, metric_key_prefix="average").metrics[f"average_{lesson.best}"]
    if found > (trainer.state.best_metric or 0.0):
        return count
    trainer.model.load_state_dict(best)
    return 1


def _cut_short(course: Course, best: str) -> Course:
    """The same without epochs that early stopping had already cut off when the training was interrupted."""
    figures = course.begun.figures(best) if course.begun else []
    if exhausted(figures, course.recipe.early_stopping):
        return replace(course, recipe=replace(course.recipe, epochs=len(figures)))
    return course


def _batch(size: int, hardware: Hardware) -> int:
    """The part of a batch that each device takes. TrainingError if it cannot be shared evenly."""
    if size % hardware.share:
        raise TrainingError(f"batch size {size} cannot be shared by {hardware.share} devices; name a multiple of that")
    return size // hardware.share


def _arguments(course: Course, lesson: Lesson) -> TrainingArguments:
    recipe, hardware = course.recipe, course.hardware
    on_gpu = hardware.device == "cuda"
    return TrainingArguments(
        output_dir=str(course.folder / checkpoints.FOLDER),
        logging_dir=str(course.folder / "events"),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        per_device_train_batch_size=_batch(recipe.batch_size, hardware),
        per_device_eval_batch_size=-(-(recipe.eval_batch_size or 2 * recipe.batch_size) // hardware.share),
        gradient_accumulation_steps=recipe.gradient_accumulation,
        gradient_checkpointing=recipe.gradient_checkpointing and recipe.freeze != "all",
        gradient_checkpointing_kwargs={"use_reentrant": False},
        weight_decay=recipe.weight_decay,
        warmup_ratio=recipe.warmup,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=None,  # the Trainer would remove old ones before the new one is marked as whole
        load_best_model_at_end=True,
        metric_for_best_model=lesson.best,
        greater_is_better=True,
        label_names=["labels"],
        remove_unused_columns=False,
        bf16=hardware.precision == "bf16",
        fp16=hardware.precision == "fp16",
        use_cpu=not on_gpu,
        ddp_backend=None if on_gpu or hardware.processes == 1 else "gloo",
        optim="adamw_torch_fused",
        logging_steps=20,
        logging_nan_inf_filter=False,  # a loss that is lost ends the training at once
        report_to=["tensorboard"],
        seed=course.seed,
        disable_tqdm=True,
        dataloader_pin_memory=on_gpu,
    )


@contextlib.contextmanager
def _faults_named(course: Course) -> Iterator[None]:
    """TrainingErrors with a remedy for what can go wrong with memory, disk and checkpoints."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            "the memory of the GPU is full; try half of the batch size and --gradient-accumulation 2 (which learns the "
            "same), --gradient-checkpointing, or a smaller --max-length"
        ) from error
    except pickle.UnpicklingError as error:
        where = course.begun.folder if course.begun else course.folder
        raise TrainingError(
            f"{where}: cannot be resumed from: its state holds more than numbers, and what else there is may run code "
            "when it is loaded. Remove it, or train anew, without --resume"
        ) from error
    except OSError as error:
        where = error.filename or course.folder
        raise TrainingError(
            f"{where}: {error.strerror or error}; nothing is published. Make room, then --resume"
        ) from error


class _Trainer(Trainer):
    """A Trainer with our own order of batches and our own loss, that evaluates in the order of the data.

    That order lets windows be put back together.
    """

    order: ByLength

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:  # noqa: ARG002  # there is but one
        return self.order

    def _get_eval_sampler(self, eval_dataset: Any) -> Sampler[int]:
        return SequentialSampler(eval_dataset)

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        labels, shares = inputs.pop("labels"), inputs.pop("shares", None)
        outputs = model(**inputs)
        loss = self.compute_loss_func(outputs.logits, labels, shares, num_items_in_batch)
        if num_items_in_batch is not None:
            # The items are those of all devices, and the gradients are averaged over the devices afterwards.
            loss = loss * (self.accelerator.num_processes if self.args.n_gpu <= 1 else self.args.n_gpu)
        return (loss, outputs) if return_outputs else loss

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        refuse_lost(float(loss), self.state.global_step + 1, self.args)
        return loss

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        with checkpoints.saving(folder):
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                checkpoints.mark_whole(folder)
        if self.args.should_save:
            checkpoints.remove_spare(folder)
        self.accelerator.wait_for_everyone()  # whoever averages the last checkpoints finds the same ones
