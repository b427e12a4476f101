"""What a person or a program sees of a training: one line with the time left on a terminal, else JSON lines."""

import json
import math
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerState

Figures = Mapping[str, float]

SHOWN = ("loss", "f1", "macro_f1", "accuracy")


def tell(line: str) -> None:
    """Say something to whoever watches the training."""
    print(line, file=sys.stderr, flush=True)


def telling(best: str, stream: TextIO | None = None) -> TrainerCallback:
    """The one of the two that suits the stream (standard error); `best` names the figure that chooses the epoch."""
    stream = stream or sys.stderr
    return Bar(best, Console(file=stream)) if stream.isatty() else Lines(stream)


class Lines(TrainerCallback):
    """One JSON line per evaluation."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def on_evaluate(
        self,
        _args: Any,
        state: TrainerState,
        _control: Any,
        metrics: Figures,
        **_: Any,
    ) -> None:
        if state.is_world_process_zero:
            line = {"event": "evaluated", "step": state.global_step, "steps": state.max_steps, **_figures(metrics)}
            print(json.dumps(line), file=self._stream, flush=True)


class Bar(TrainerCallback):
    """One line that moves, and one that stays for each epoch."""

    def __init__(self, best: str, console: Console) -> None:
        self._best = best
        self._console = console
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        self._progress = Progress(*columns, console=console, transient=True)
        self._task: TaskID | None = None

    def on_train_begin(self, _args: Any, state: TrainerState, _control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            self._task = self._progress.add_task(
                _epoch(state), total=state.max_steps, completed=state.global_step, loss=""
            )
            self._progress.start()

    def on_step_end(self, _args: Any, state: TrainerState, _control: Any, **_: Any) -> None:
        self._show(completed=state.global_step, description=_epoch(state))

    def on_log(
        self,
        _args: Any,
        _state: Any,
        _control: Any,
        logs: Figures,
        **_: Any,
    ) -> None:
        if "loss" in logs:
            self._show(loss=f"loss {logs['loss']:.3f}")

    def on_prediction_step(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        self._show(description="evaluating")

    def on_evaluate(
        self,
        _args: Any,
        state: TrainerState,
        _control: Any,
        metrics: Figures,
        **_: Any,
    ) -> None:
        if not state.is_world_process_zero:
            return
        figures = _figures(metrics)
        shown = "  ".join(f"{name} {figures[name]:.4f}" for name in SHOWN if name in figures)
        mark = "  *" if figures.get(self._best, -math.inf) > (state.best_metric or -math.inf) else ""
        self._console.print(f"epoch {state.epoch or 0:.0f}  {shown}{mark}", highlight=False)

    def on_train_end(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Take the line away, also after a fault."""
        self._progress.stop()

    def _show(self, **changes: Any) -> None:
        if self._task is not None:
            self._progress.update(self._task, **changes)


def _epoch(state: TrainerState) -> str:
    return f"epoch {min(int(state.epoch or 0) + 1, state.num_train_epochs)}/{state.num_train_epochs}"


def _figures(metrics: Figures) -> dict[str, float]:
    return {name.removeprefix("eval_"): round(value, 4) for name, value in metrics.items()}
