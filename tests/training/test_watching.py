"""What is seen of a training: one line that moves on a terminal, JSON lines elsewhere; and in which order data come."""

import io
import json
import time

import pytest
from rich.console import Console
from transformers import TrainerState

from classifyd.api import Example
from classifyd_bert import watching
from classifyd_bert.batches import ByLength
from classifyd_bert.features import Items, OneOfEach, label_windows
from classifyd_bert.tokens import Tokenizer


def state(step: int) -> TrainerState:
    return TrainerState(global_step=step, max_steps=30, num_train_epochs=3, epoch=step / 10)


def test_a_terminal_shows_epoch_loss_and_steps_and_keeps_a_line_for_each_evaluation() -> None:
    screen = io.StringIO()
    bar = watching.Bar("f1", Console(file=screen, force_terminal=True, width=100))
    bar.on_train_begin(None, state(0), None)
    bar.on_log(None, None, None, {"loss": 0.5})
    bar.on_step_end(None, state(7), None)
    time.sleep(0.01)  # two points in time, or there is no rate to tell the time left by
    bar.on_step_end(None, state(14), None)
    bar._progress.refresh()
    bar.on_evaluate(None, state(10), None, {"eval_loss": 0.3, "eval_f1": 0.9})
    bar.close()
    for said in ("epoch 2/3", "14/30", "loss 0.500", "0:00:0", "epoch 1  loss 0.3000  f1 0.9000  *"):
        assert said in screen.getvalue()


def test_elsewhere_each_evaluation_is_one_json_line() -> None:
    stream = io.StringIO()
    teller = watching.telling("f1", stream)
    assert isinstance(teller, watching.Lines)
    teller.on_evaluate(None, state(10), None, {"eval_loss": 0.34567, "eval_f1": 0.9})
    assert json.loads(stream.getvalue()) == {
        "event": "evaluated",
        "step": 10,
        "steps": 30,
        "loss": 0.3457,
        "f1": 0.9,
    }


def test_a_process_that_only_helps_shows_nothing() -> None:
    stream = io.StringIO()
    helper = state(10)
    helper.is_world_process_zero = False
    watching.Lines(stream).on_evaluate(None, helper, None, {"eval_loss": 0.3})
    bar = watching.Bar("f1", Console(file=stream, force_terminal=True))
    bar.on_train_begin(None, helper, None)
    bar.on_step_end(None, helper, None)
    bar.on_evaluate(None, helper, None, {"eval_loss": 0.3})
    assert stream.getvalue() == ""


# ---------------------------------------------------------------------- the order of an epoch


@pytest.fixture
def items() -> Items:
    import tiny

    texts = ["free " * (1 + number % 37) for number in range(203)]
    return Items(label_windows(Tokenizer(tiny.tokenizer(), 48, 12), [Example(text, "a") for text in texts], ["a"]))


def epoch(order: ByLength, number: int) -> list[int]:
    order.choose(number)
    return list(order)


def test_an_epoch_has_every_window_once_in_an_order_that_seed_and_epoch_fix(items: Items) -> None:
    first = epoch(ByLength(items, 8, 1), 2)
    assert sorted(first) == list(range(203))
    later = ByLength(items, 8, 1)
    epoch(later, 0), epoch(later, 1)
    assert epoch(later, 2) == first
    assert epoch(later, 3) != first
    assert epoch(ByLength(items, 8, 2), 2) != first


def test_a_batch_holds_texts_of_like_length_and_batches_of_all_lengths_are_mixed(items: Items) -> None:
    places = epoch(ByLength(items, 8, 1), 0)
    lengths = [items.length(place) for place in places[:200]]
    batches = [lengths[start : start + 8] for start in range(0, 200, 8)]
    assert max(max(batch) - min(batch) for batch in batches) <= 4
    assert [batch[0] for batch in batches] != sorted(batch[0] for batch in batches)


def test_the_order_goes_by_the_windows_of_the_epoch(items: Items) -> None:
    import tiny

    texts = ["free " * 60 + "win" if number % 2 else "win" for number in range(64)]
    windows = label_windows(Tokenizer(tiny.tokenizer(), 48, 12), [Example(text, "a") for text in texts], ["a"])
    order = ByLength(data := OneOfEach(Items(windows), 1), 8, 1)
    for number in range(4):
        lengths = [data.length(place) for place in epoch(order, number)]
        batches = [lengths[start : start + 8] for start in range(0, 64, 8)]
        assert sum(max(batch) != min(batch) for batch in batches) <= 2  # one for each border between lengths
