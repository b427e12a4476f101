"""The loss: weighted by label and share, smoothed, the same however the batches are cut."""

import pytest
import torch
from torch.nn import functional

from classifyd.api import Example, Span
from classifyd_bert.features import IGNORED, label_windows, shares
from classifyd_bert.kinds import TokenKind
from classifyd_bert.loss import Loss, class_weights

LOGITS = torch.tensor([[2.0, -1.0], [0.5, 0.1], [-1.0, 3.0]])
LABELS = torch.tensor([0, 0, 1])


def test_without_weights_and_smoothing_it_is_the_mean_cross_entropy() -> None:
    assert torch.isclose(Loss(None, 0.0)(LOGITS, LABELS), functional.cross_entropy(LOGITS, LABELS))


def test_a_label_of_twice_the_weight_counts_as_if_it_were_there_twice() -> None:
    once = functional.cross_entropy(LOGITS, LABELS, reduction="none")
    assert torch.isclose(Loss((1.0, 2.0), 0.0)(LOGITS, LABELS), (once[0] + once[1] + 2 * once[2]) / 3)


def test_smoothing_stays_even_under_weights() -> None:
    smoothed = functional.cross_entropy(LOGITS[:1], LABELS[:1], label_smoothing=0.2)
    assert torch.isclose(Loss((1.0, 50.0), 0.2)(LOGITS[:1], LABELS[:1]), smoothed)


def test_tokens_that_are_not_asked_do_not_count() -> None:
    logits = torch.stack([LOGITS, LOGITS])
    labels = torch.tensor([[0, IGNORED, 1], [IGNORED, IGNORED, IGNORED]])
    expected = functional.cross_entropy(LOGITS[[0, 2]], LABELS[[0, 2]])
    assert torch.isclose(Loss(None, 0.0)(logits, labels), expected)
    assert torch.isclose(Loss((1.0, 1.0), 0.0)(logits, labels), expected)


def test_a_batch_with_nothing_to_ask_has_a_loss_of_zero() -> None:
    assert Loss(None, 0.0)(LOGITS, torch.full((3,), IGNORED)) == 0


def test_batches_accumulated_give_what_one_large_batch_gives() -> None:
    loss = Loss((0.5, 2.0), 0.1)
    apart = loss(LOGITS[:2], LABELS[:2], None, 3) + loss(LOGITS[2:], LABELS[2:], None, 3)
    assert torch.isclose(apart, loss(LOGITS, LABELS))


def test_half_precision_is_left_behind_before_anything_is_summed() -> None:
    loss = Loss((1.0, 2.0), 0.0)(LOGITS.bfloat16(), LABELS)
    assert loss.dtype == torch.float32


# ---------------------------------------------------------------------- weights


def test_labels_of_like_number_all_weigh_the_same() -> None:
    assert class_weights("auto", [100, 40]) is None
    assert class_weights("balanced", [100, 100]) is None
    assert class_weights("none", [1000, 1]) is None


def test_balance_gives_each_label_the_same_sum_of_weights() -> None:
    weights = class_weights("balanced", [90, 10])
    assert weights == pytest.approx((100 / 180, 100 / 20))  # n / (labels x count)


def test_auto_takes_the_square_root_where_classes_are_skewed() -> None:
    weights = class_weights("auto", [900, 100])
    assert weights is not None
    assert weights[1] / weights[0] == pytest.approx(3.0)
    assert 900 * weights[0] + 100 * weights[1] == pytest.approx(1000)
    widest = class_weights("auto", [1_000_000, 1])
    assert widest is not None
    assert widest[1] / widest[0] == pytest.approx(10.0)


def test_words_outside_of_every_span_are_weighed_against_nothing() -> None:
    spans = [Span(0, 1, "PER", 1.0)] * 9 + [Span(2, 3, "LOC", 1.0)]
    outputs = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    counts = TokenKind().counts([Example("a b", spans=tuple(spans))], outputs)
    assert counts == [None, 1, 1, 9, 9]
    weights = class_weights("auto", counts)
    assert weights is not None
    assert weights[0] == 1.0
    assert weights[1] / weights[3] == pytest.approx(3.0)


def test_a_label_without_examples_changes_nothing() -> None:
    known = class_weights("balanced", [90, 10])
    assert known is not None
    assert class_weights("balanced", [90, 10, 0]) == pytest.approx((*known, 1.0))


# ---------------------------------------------------------------------- shares


def test_each_text_counts_the_same_and_its_windows_as_at_run_time() -> None:
    import tiny

    from classifyd_bert.tokens import Tokenizer

    examples = [Example("free " * 30, "a"), Example("win", "b")]
    windows = label_windows(Tokenizer(tiny.tokenizer(), 16, 4), examples, ["a", "b"])
    found = shares(windows)
    owners = [window.text for window in windows.windows]
    sums = [sum(share for share, owner in zip(found, owners, strict=True) if owner == text) for text in (0, 1)]
    assert sums[0] == pytest.approx(sums[1])
    assert sum(found) / len(found) == pytest.approx(1.0)
    owned = [int(window.own.sum()) for window in windows.windows]
    assert found[0] / found[1] == pytest.approx(owned[0] / owned[1])
