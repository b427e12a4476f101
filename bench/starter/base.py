"""Tune one encoder on the three starter tasks at once: the base that their bundles branch from.

    python bench/starter/base.py --data data --output runs/base

`--data` is what prepare.py wrote. Spam, topic and ner each put a head of their own on the encoder, and each batch
belongs to one of them, drawn as often as it has texts, so that the lower layers learn what all three need (Caruana
1997). The heads are thrown away. Of the encoder's weights those that a bundle stores in eight bits are rounded to them,
so that the base is as small as its layers are in a bundle and every branch has the same, bit for bit.

`--output` gets a folder that `classifyd train TASK --base-model FOLDER --capitals --freeze N` starts from.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import AutoConfig, AutoModel, AutoTokenizer, get_linear_schedule_with_warmup, set_seed

from classifyd.values import Example, Span
from classifyd_bert import base, draft, eightbit, narrow
from classifyd_bert.batches import ByLength
from classifyd_bert.features import Items, OneOfEach
from classifyd_bert.hardware import Hardware
from classifyd_bert.kinds import Kind, SequenceKind, TokenKind
from classifyd_bert.loss import Loss, class_weights
from classifyd_bert.tokens import Tokenizer
from classifyd_bert.widening import widen

TASKS: dict[str, Kind] = {"spam": SequenceKind(), "topic": SequenceKind(), "ner": TokenKind()}
MAX_LENGTH, STRIDE = 128, 32
SMOOTHING = 0.05


@dataclass(frozen=True, slots=True)
class Part:
    """One task of the three: its windows in the order of an epoch, its head and its loss."""

    data: Items | OneOfEach
    order: ByLength
    collator: Any
    head: nn.Linear
    loss: Loss
    of_texts: bool

    def batches(self, epoch: int, size: int) -> Iterator[dict[str, Tensor]]:
        """The batches of one epoch."""
        self.order.choose(epoch)
        return iter(DataLoader(self.data, size, sampler=self.order, collate_fn=self.collator))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--base-model", default=base.DEFAULT)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    set_seed(options.seed)
    start = base.find(options.base_model)
    encoder = _encoder(start)
    tokenizer = Tokenizer(draft.plain_tokenizer(start.folder / "tokenizer.json"), MAX_LENGTH, STRIDE, capitals=True)
    padding = AutoTokenizer.from_pretrained(start.folder)
    parts = [
        _part(kind, _examples(options.data / task / "train.jsonl"), tokenizer, padding, encoder, options)
        for task, kind in TASKS.items()
    ]
    _tune(encoder, parts, options)
    _round(encoder)
    options.output.mkdir(parents=True, exist_ok=True)
    encoder.config.save_pretrained(options.output)
    padding.save_pretrained(options.output)
    tensors = {name: tensor.cpu().numpy() for name, tensor in encoder.state_dict().items()}
    narrow.write(tensors, options.output / narrow.NARROW)


def _encoder(start: base.Base) -> Any:
    config = AutoConfig.from_pretrained(start.folder)
    config.attention_probs_dropout_prob = 0.0
    encoder = AutoModel.from_pretrained(start.folder, config=config, use_safetensors=True)
    widen(encoder, start.name)
    return encoder


def _part(kind: Kind, examples: list[Example], tokenizer: Tokenizer, padding: Any, encoder: Any, options: Any) -> Part:
    named = {example.label for example in examples} | {span.label for one in examples for span in one.spans or ()}
    outputs = kind.outputs(sorted(label for label in named if label))
    windows = kind.windows(tokenizer, examples, outputs)
    items = Items(windows, altered=True)
    of_texts = kind.name == "sequence"
    data = OneOfEach(items, options.seed) if of_texts else items
    weights = class_weights("auto", kind.counts(examples, outputs))
    return Part(
        data,
        ByLength(data, options.batch_size, options.seed),
        kind.collator(padding),
        nn.Linear(encoder.config.hidden_size, len(outputs)),
        Loss(weights, SMOOTHING),
        of_texts,
    )


def _tune(encoder: Any, parts: list[Part], options: Any) -> None:
    hardware = Hardware.of("auto")
    modules = nn.ModuleList([encoder, *(part.head for part in parts), *(part.loss for part in parts)])
    modules.to(hardware.device).train()
    optimizer = torch.optim.AdamW(_groups(modules), lr=options.learning_rate, fused=True)
    per_epoch = sum(-(-len(part.data) // options.batch_size) for part in parts)
    steps = per_epoch * options.epochs
    schedule = get_linear_schedule_with_warmup(optimizer, round(0.06 * steps), steps)
    precision = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(hardware.precision)
    dropout = nn.Dropout(0.1)
    for epoch in range(options.epochs):
        told: dict[bool, list[float]] = {True: [], False: []}
        for number, (part, batch) in enumerate(_in_turn(parts, epoch, options)):
            there = {name: value.to(hardware.device, non_blocking=True) for name, value in batch.items()}
            labels = there.pop("labels")
            with torch.autocast(hardware.device, precision, enabled=precision is not None):
                states = encoder(**there)
                logits = part.head(dropout(states.pooler_output if part.of_texts else states.last_hidden_state))
                loss = part.loss(logits, labels)
            loss.backward()
            nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            if number % 50 == 0:
                told[part.of_texts].append(loss.item())
        print(json.dumps({"epoch": epoch + 1, "of": options.epochs, **_means(told)}), file=sys.stderr, flush=True)


def _in_turn(parts: list[Part], epoch: int, options: Any) -> Iterator[tuple[Part, dict[str, Tensor]]]:
    """All batches of all tasks once, in an order that the seed and the epoch fix."""
    sources = [part.batches(epoch, options.batch_size) for part in parts]
    counts = [-(-len(part.data) // options.batch_size) for part in parts]
    order = [place for place, count in enumerate(counts) for _ in range(count)]
    random.Random(f"{options.seed}/{epoch}").shuffle(order)
    for place in order:
        yield parts[place], next(sources[place])


def _groups(modules: nn.Module) -> list[dict[str, Any]]:
    """Weights that are pulled towards 0, and vectors, which are not."""
    wide = [one for one in modules.parameters() if one.ndim > 1]
    rest = [one for one in modules.parameters() if one.ndim <= 1]
    return [{"params": wide, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}]


def _means(told: dict[bool, list[float]]) -> dict[str, float]:
    names = {True: "loss_of_texts", False: "loss_of_spans"}
    return {names[key]: round(float(np.mean(values)), 4) for key, values in told.items() if values}


def _round(encoder: Any) -> None:
    """Have every matrix hold what eight bits can say: rows of the embeddings, columns of the products."""
    with torch.no_grad():
        for module in encoder.modules():
            if isinstance(module, nn.Embedding | nn.Linear):
                small, scales = eightbit.narrow(module.weight.float().cpu().numpy(), axis=1)
                module.weight.copy_(torch.from_numpy(small * scales))


def _examples(path: Path) -> list[Example]:
    return [_example(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _example(row: dict[str, Any]) -> Example:
    spans = row.get("spans")
    marked = None if spans is None else tuple(Span(one["start"], one["end"], one["label"], 1.0) for one in spans)
    return Example(row["text"], row.get("label"), spans=marked)


if __name__ == "__main__":
    main()
