"""What happens at the turn of an epoch: a new order, and reasons to end before the last one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from classifyd.api import TrainingError
from classifyd_bert.batches import ByLength
from classifyd_bert.checkpoints import Checkpoint


class NextEpoch(TrainerCallback):
    """Begins each epoch with its own order and windows, and finds the best checkpoint where the folder is now."""

    def __init__(self, order: ByLength, begun: Checkpoint | None) -> None:
        self._order = order
        self._begun = begun

    def on_train_begin(self, _args: Any, state: TrainerState, _control: Any, **_: Any) -> None:
        if self._begun and state.best_global_step:
            state.best_model_checkpoint = str(self._begun.folder.with_name(f"checkpoint-{state.best_global_step}"))

    def on_epoch_begin(self, _args: Any, state: TrainerState, _control: Any, **_: Any) -> None:
        self._order.choose(round(state.epoch or 0))


class Sound(TrainerCallback):
    """Ends a training whose evaluation says that the model is lost: its last step may have been the one."""

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        _control: Any,
        metrics: Mapping[str, float],
        **_: Any,
    ) -> None:
        refuse_lost(metrics["eval_loss"], state.global_step, args)


class Patience(TrainerCallback):
    """Stops when the last epochs brought nothing better.

    Unlike transformers' own it counts in the log of evaluations, which a checkpoint keeps, and so survives a kill.
    """

    def __init__(self, patience: int, best: str) -> None:
        self._patience = patience
        self._best = f"eval_{best}"

    def on_evaluate(self, _args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        figures = [entry[self._best] for entry in state.log_history if self._best in entry]
        if exhausted(figures, self._patience):
            control.should_training_stop = True


def exhausted(figures: Sequence[float], patience: int) -> bool:
    """Whether the last `patience` epochs were all no better than the best before them; never with patience 0."""
    return bool(patience) and len(figures) > patience and max(figures[-patience:]) <= max(figures[:-patience])


def refuse_lost(loss: float, step: int, args: TrainingArguments) -> None:
    """TrainingError, with what to try, if the loss is no finite number."""
    if np.isfinite(loss):
        return
    half = " --precision fp32 and" if args.bf16 or args.fp16 else ""
    raise TrainingError(
        f"the loss became {loss} at step {step}, from which no model recovers; nothing is published. Try{half} a lower "
        f"--learning-rate than {args.learning_rate:g}; at step 1 the base model itself is broken"
    )


class Saved(TrainerCallback):
    """Calls a function once a checkpoint is whole and older ones are gone, in the one process that writes them."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002  # the Trainer names them
        if state.is_world_process_zero:
            self._call()
