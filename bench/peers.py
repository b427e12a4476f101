"""The peers of bench/contenders.py: each loads a model with its own library, and gives what answers a list of texts.

They know nothing of classifyd. What its library leaves to the user each settles before it is measured: batches come
sorted by length, and their size is the quickest of BATCHES on a sample of the texts.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forms import LONGEST

BATCHES = (8, 16, 32, 64)
SAMPLE = 96
Answer = Callable[[Sequence[str]], object]


@dataclass(frozen=True, slots=True)
class Ready:
    """A model that was loaded: what answers texts, what was settled for it, and processes that work for it."""

    answer: Answer
    settled: str = ""
    helpers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """What every contender is given. `bundle` is classifyd's, `checkpoint` the others'."""

    checkpoint: Path
    bundle: Path
    texts: Sequence[str]
    threads: int


Load = Callable[[Given], Ready]


def tuned(given: Given, answer: Callable[[Sequence[str], int], object]) -> Ready:
    """The quickest size of batches, of texts sorted by length."""
    sample = given.texts[:: max(1, len(given.texts) // SAMPLE)]
    took = {}
    for size in BATCHES:
        answer(sorted(sample, key=len), size)
        began = time.perf_counter()
        answer(sorted(sample, key=len), size)
        took[size] = time.perf_counter() - began
    best = min(took, key=lambda size: took[size])
    return Ready(lambda texts: answer(sorted(texts, key=len), best), f"sorted batches of {best}")


# ---------------------------------------------------------------------- transformers, optimum, sentence-transformers


def pipeline(*, tune: bool, half: bool = False) -> Load:
    """transformers.pipeline on PyTorch."""

    def load(given: Given) -> Ready:
        import torch
        import transformers

        torch.set_num_threads(given.threads)
        kind = torch.bfloat16 if half else torch.float32
        model = transformers.AutoModelForSequenceClassification.from_pretrained(given.checkpoint, dtype=kind)
        return _piped(given, model, tune=tune)

    return load


def optimum(file: str, *, tune: bool) -> Load:
    """Optimum's pipeline on ONNX Runtime."""

    def load(given: Given) -> Ready:
        import onnxruntime
        from optimum.onnxruntime import ORTModelForSequenceClassification

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = given.threads
        folder, name = given.checkpoint / Path(file).parent, Path(file).name
        model = ORTModelForSequenceClassification.from_pretrained(folder, file_name=name, session_options=settings)
        return _piped(given, model, tune=tune)

    return load


def _piped(given: Given, model: Any, *, tune: bool) -> Ready:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(given.checkpoint)
    pipe = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer)
    chosen: dict[str, Any] = {"truncation": True, "max_length": LONGEST}
    if not tune:
        return Ready(lambda texts: pipe(list(texts), **chosen))
    return tuned(given, lambda texts, size: pipe(list(texts), batch_size=size, **chosen))


def cross_encoder(backend: str, file: str = "", *, tune: bool = True) -> Load:
    """sentence-transformers' CrossEncoder with nothing for a second text; it sorts by length itself."""

    def load(given: Given) -> Ready:
        import torch
        from sentence_transformers import CrossEncoder

        torch.set_num_threads(given.threads)
        settings: dict[str, Any] = {"file_name": file} if file else {}
        if backend == "onnx":
            settings["provider"] = "CPUExecutionProvider"
        if backend == "openvino":
            settings["ov_config"] = {"INFERENCE_NUM_THREADS": given.threads}
        model = CrossEncoder(
            str(given.checkpoint), max_length=LONGEST, device="cpu", backend=backend, model_kwargs=settings
        )
        if not tune:
            return Ready(lambda texts: model.predict([(text, "") for text in texts]))
        return tuned(given, lambda texts, size: model.predict([(text, "") for text in texts], batch_size=size))

    return load


# ---------------------------------------------------------------------- OpenVINO by hand, infinity


def openvino(file: str) -> Load:
    """OpenVINO as who knows it uses it: a stream for each core, fed asynchronously; bfloat16 where there is AMX."""

    def load(given: Given) -> Ready:
        import numpy as np
        import openvino as ov
        import transformers

        tokenizer = transformers.AutoTokenizer.from_pretrained(given.checkpoint)
        settings = {"INFERENCE_NUM_THREADS": given.threads, "NUM_STREAMS": given.threads}
        compiled = ov.Core().compile_model(given.checkpoint / file, "CPU", settings)
        names = {item.get_any_name() for item in compiled.inputs}
        queue = ov.AsyncInferQueue(compiled, 2 * given.threads)
        found: dict[int, Any] = {}
        queue.set_callback(
            lambda request, start: found.__setitem__(start, request.get_output_tensor().data.argmax(axis=1))
        )

        def answer(texts: Sequence[str], size: int) -> object:
            for start in range(0, len(texts), size):
                rows = tokenizer(
                    list(texts[start : start + size]), padding=True, truncation=True, max_length=LONGEST,
                    return_tensors="np",
                )  # fmt: skip
                queue.start_async({name: np.asarray(rows[name], np.int64) for name in names}, start)
            queue.wait_all()
            return found

        return tuned(given, answer)

    return load


def infinity(engine: str, **settings: Any) -> Load:
    """infinity-emb's engine in this process, without its server; it sorts and batches by itself."""

    def load(given: Given) -> Ready:
        import torch
        from infinity_emb import EngineArgs, SyncEngineArray

        torch.set_num_threads(given.threads)
        name = str(given.checkpoint)
        engines = SyncEngineArray.from_args(
            [EngineArgs(model_name_or_path=name, engine=engine, device="cpu", model_warmup=False, **settings)]
        )
        return Ready(lambda texts: engines.classify(model=name, sentences=list(texts)).result())

    return load
