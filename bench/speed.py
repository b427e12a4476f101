"""How fast one model answers in classifyd and elsewhere: the same texts, weights and cores, taken in turns.

    python bench/speed.py [--checkpoint DIR --bundle DIR] [--texts messages] [--count 1000] [--rounds 5]

Each contender is a process of its own that loads and warms up once, and then answers all texts in each round, one
contender after the other. Prints a Markdown table: thousands of real tokens a second (padding never counts), the spread
over the rounds, processor seconds for a million tokens, the ratio to transformers.pipeline as it comes, and memory.
`--checkpoint` is the tuned model in PyTorch, `--bundle` the one that classifyd made of it; see material.py for what is
taken without, and for texts.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tokenizers

import material
import turns
from classifyd.bundles import Store

LONGEST = 128
BATCH = 32
Answer = Callable[[Sequence[str]], object]


# ---------------------------------------------------------------------- contenders: each loads, and gives what answers


def classifyd(runtime: str) -> Callable[[argparse.Namespace], Answer]:
    """The kit's predictor, as a worker has it."""

    def load(options: argparse.Namespace) -> Answer:
        from classifyd import plugins
        from classifyd.values import Record, Setup

        bundle = Store(options.bundle.parent.parent).open(options.bundle.parent.name, int(options.bundle.name))
        # Without the cache: every round brings the same texts.
        setup = Setup(bundle.task, {"runtime": runtime, "cache": 0}, bundle, threads=options.threads)
        predictor = plugins.load().task(bundle.task).load(setup)
        return lambda texts: predictor.predict([Record(text) for text in texts])

    return load


def pipeline(*, batch: int | None, half: bool = False) -> Callable[[argparse.Namespace], Answer]:
    """transformers.pipeline; with a batch, texts are sorted by length first."""

    def load(options: argparse.Namespace) -> Answer:
        import torch
        import transformers

        torch.set_num_threads(options.threads)
        tokenizer = transformers.AutoTokenizer.from_pretrained(options.checkpoint)
        kind = torch.bfloat16 if half else torch.float32
        model = transformers.AutoModelForSequenceClassification.from_pretrained(options.checkpoint, dtype=kind)
        return _piped(transformers.pipeline("text-classification", model=model, tokenizer=tokenizer), batch)

    return load


def optimum(*, quantized: bool) -> Callable[[argparse.Namespace], Answer]:
    """Optimum's ONNX Runtime pipeline, in float32 or in its own int8 for this processor, sorted by length."""

    def load(options: argparse.Namespace) -> Answer:
        import onnxruntime
        import transformers
        from optimum.onnxruntime import AutoQuantizationConfig, ORTModelForSequenceClassification, ORTQuantizer

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        model = ORTModelForSequenceClassification.from_pretrained(
            options.checkpoint, export=True, session_options=settings
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(options.checkpoint)
        if quantized:
            with tempfile.TemporaryDirectory() as folder:
                config = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)
                ORTQuantizer.from_pretrained(model).quantize(save_dir=folder, quantization_config=config)
                model = ORTModelForSequenceClassification.from_pretrained(
                    folder, file_name="model_quantized.onnx", session_options=settings
                )
        return _piped(transformers.pipeline("text-classification", model=model, tokenizer=tokenizer), BATCH)

    return load


def openvino(options: argparse.Namespace) -> Answer:
    """OpenVINO by hand: the float32 export in bfloat16 where the processor has it, batches of similar length."""
    import numpy as np
    import openvino as ov
    import transformers
    from optimum.exporters.onnx import onnx_export_from_model

    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        options.checkpoint, attn_implementation="eager"
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.checkpoint)
    folder = Path(tempfile.mkdtemp())
    onnx_export_from_model(model, output=folder, task="text-classification", do_validation=False, device="cpu")
    settings = {"INFERENCE_NUM_THREADS": options.threads, "PERFORMANCE_HINT": "LATENCY"}
    compiled = ov.Core().compile_model(folder / "model.onnx", "CPU", settings)

    def answer(texts: Sequence[str]) -> object:
        ordered = sorted(texts, key=len)
        said = []
        for start in range(0, len(ordered), BATCH):
            rows = tokenizer(
                ordered[start : start + BATCH], padding=True, truncation=True, max_length=LONGEST, return_tensors="np"
            )
            logits = compiled({name: np.asarray(value, np.int64) for name, value in rows.items()})[0]
            said += logits.argmax(axis=1).tolist()
        return said

    return answer


def _piped(pipe: Any, batch: int | None) -> Answer:
    chosen: dict[str, Any] = {"truncation": True, "max_length": LONGEST}
    if batch is None:
        return lambda texts: pipe(list(texts), **chosen)
    return lambda texts: pipe(sorted(texts, key=len), batch_size=batch, **chosen)


PEER = "transformers.pipeline as it comes"
CONTENDERS: dict[str, Callable[[argparse.Namespace], Answer]] = {
    PEER: pipeline(batch=None),
    "transformers.pipeline, sorted batches of 32": pipeline(batch=BATCH),
    "transformers.pipeline, bfloat16, sorted batches of 32": pipeline(batch=BATCH, half=True),
    "optimum, ONNX Runtime, sorted batches of 32": optimum(quantized=False),
    "optimum, ONNX Runtime int8 (dynamic), sorted batches of 32": optimum(quantized=True),
    "OpenVINO by hand, sorted batches of 32": openvino,
    "classifyd": classifyd("onnxruntime"),
    'classifyd, runtime = "openvino"': classifyd("openvino"),
}


# ---------------------------------------------------------------------- the two sides


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--bundle", type=Path, help="by default the spam model that is shipped")
    parser.add_argument("--texts", default="messages")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(CONTENDERS))
    parser.add_argument("--answer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bundle is None:
        store = Store(Path(__file__).parents[1] / "models")
        options.bundle = store.folder("spam", store.current("spam") or 1)
    if options.answer:
        answer(options)
        return
    with tempfile.TemporaryDirectory(prefix="classifyd-speed-") as folder:
        if options.checkpoint is None:
            options.checkpoint = material.checkpoint("spam", Path(folder))
            sys.argv += ["--checkpoint", str(options.checkpoint)]
        compare(options)


def chosen_texts(options: argparse.Namespace) -> list[str]:
    """Texts that one window holds, spread evenly over the file: no contender but classifyd reads longer ones whole."""
    tokenizer = _tokenizer(options)
    all_of_it = material.texts(options.texts, sys.maxsize)
    short = [text for text in all_of_it if len(tokenizer.encode(text).ids) <= LONGEST]
    return short[:: max(1, len(short) // options.count)][: options.count]


def _tokenizer(options: argparse.Namespace) -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer.from_file(str(options.checkpoint / "tokenizer.json"))
    tokenizer.no_truncation()  # training leaves it on, and every text would seem short
    tokenizer.no_padding()
    return tokenizer


def answer(options: argparse.Namespace) -> None:
    """One contender: loads, warms up, and answers all texts whenever it is asked."""
    texts = chosen_texts(options)
    ready = CONTENDERS[options.answer](options)
    ready(texts[:BATCH])
    turns.serve(lambda: ready(texts))


def compare(options: argparse.Namespace) -> None:
    """All contenders in turns, and the table."""
    tokenizer = _tokenizer(options)
    texts = chosen_texts(options)
    tokens = sum(len(tokenizer.encode(text).ids) for text in texts)
    rounds = turns.rounds(options.only, options.rounds)
    print(f"{len(texts):,} texts, {tokens:,} tokens, {options.rounds} rounds, {options.threads} threads\n")
    print("| | thousand tokens/s | least to most | processor seconds per million tokens | ratio | memory, MB |")
    print("|---|--:|---|--:|--:|--:|")
    for name, found in rounds.items():
        speeds = [tokens / one["seconds"] / 1000 for one in found]
        processor = statistics.median(one["processor"] for one in found) / tokens * 1e6
        print(
            f"| {name} | {statistics.median(speeds):.1f} | {min(speeds):.1f} to {max(speeds):.1f} | {processor:.0f} | "
            f"{turns.ratios(rounds[options.only[0]], found)} | {max(one['peak'] for one in found) / 1e6:.0f} |"
        )


if __name__ == "__main__":
    main()
