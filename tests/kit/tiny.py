"""Tiny real bundles, made in a second: a random two-layer BERT over a small WordPiece vocabulary, as ONNX."""

import io
import string
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, BertForTokenClassification

from classifyd.api import Bundle, Record, Setup, TrainedModel
from classifyd.bundles import Store
from classifyd_bert import answers as known
from classifyd_bert import predictor

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("free", "prize", "win", "now", "meeting", "monday", "maria", "berlin", "from", "hello", "the", "to")
BIO = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
MAX_LENGTH = 48
STRIDE = 12


def make_bundle(
    store: Store, task: str, labels: Sequence[str], kind: str = "sequence", *, seed: int = 0, **manifest: Any
) -> Bundle:
    """Publish a tiny model and put it in service; its known answers are real ones. `manifest` overrides entries."""
    folder = store.path / f".tiny-{kind}-{len(labels)}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    files = {"model.onnx": folder / "model.onnx", "tokenizer.json": folder / "tokenizer.json"}
    files["model.onnx"].write_bytes(model(kind, len(labels), seed))
    files["tokenizer.json"].write_bytes(tokenizer())
    said = {
        "kind": kind,
        "labels": list(labels),
        "max_length": MAX_LENGTH,
        "stride": STRIDE,
        "temperature": 1.0,
        "thresholds": {"review": 0.8},
        **manifest,
    }
    if "examples" not in said:
        said["examples"] = _examples(store, task, files, said)
    bundle = store.publish(task, TrainedModel(files, said, "# tiny\n"), {})
    return store.promote(task, bundle.version)


@cache
def tokenizer() -> bytes:
    """An uncased WordPiece tokenizer that knows a few words and every letter."""
    signs = string.ascii_lowercase + string.digits + string.punctuation
    names = (*SPECIAL, *WORDS, *signs, *(f"##{sign}" for sign in string.ascii_lowercase + string.digits))
    vocabulary = {name: number for number, name in enumerate(names)}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.add_special_tokens(list(SPECIAL))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return made.to_str().encode()


@cache
def model(kind: str, labels: int, seed: int = 0, *, layers: int = 2, one_encoder: bool = False) -> bytes:
    """A random BERT as ONNX, exported by torch; weights large enough for answers that differ.

    With `one_encoder` models of both kinds have the same weights below their heads.
    """
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=128,
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        num_labels=labels,
        initializer_range=0.4,
        attn_implementation="eager",
    )
    made = (BertForSequenceClassification if kind == "sequence" else BertForTokenClassification)(config).eval()
    if one_encoder:
        torch.manual_seed(seed)
        for part in (made.bert.embeddings, made.bert.encoder):
            part.apply(made._init_weights)
    ids = torch.ones(2, 16, dtype=torch.int64)
    stream = io.BytesIO()
    axes = {0: "rows", 1: "tokens"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer remarks on what is constant by intent
        torch.onnx.export(
            _Plain(made).eval(),
            (ids, ids),
            stream,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={
                "input_ids": axes,
                "attention_mask": axes,
                "logits": {0: "rows"} if kind == "sequence" else axes,
            },
            opset_version=17,
            dynamo=False,
        )
    return stream.getvalue()


class _Plain(torch.nn.Module):
    """The model with tensors in and one tensor out, as the exporter wants it."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, ids: Any, mask: Any) -> Any:
        return self.inner(input_ids=ids, attention_mask=mask).logits


def _examples(store: Store, task: str, files: dict[str, Path], manifest: dict[str, Any]) -> list[dict[str, Any]]:
    drafts = Store(store.path / ".tiny-drafts")
    draft = drafts.publish(task, TrainedModel(files, {**manifest, "examples": []}, ""), {})
    made = predictor.SequencePredictor if manifest["kind"] == "sequence" else predictor.TokenPredictor
    texts = ["Win a free prize now", "Hello Maria, meeting in Berlin on Monday", ""]
    answers = made(Setup(task, bundle=draft)).predict([Record(text) for text in texts])
    return [known.known_answer(text, answer) for text, answer in zip(texts, answers, strict=True)]
