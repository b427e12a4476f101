"""Those whom bench/speed.py compares: the peers, each in the environment that has its library, and classifyd itself.

A contender is a process of its own: `contenders.py NAME …`.
"""

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import turns
from forms import NNCF, ONNX, SMALL
from peers import Given, Load, Ready, cross_encoder, infinity, openvino, optimum, pipeline


@dataclass(frozen=True, slots=True)
class Contender:
    """How a contender loads, and the virtual environment that it runs in, beside the repository's sources."""

    load: Load
    environment: str = ".venv-test"


def classifyd(runtime: str) -> Load:
    """The kit's predictor as the daemon has it: a worker of one thread for each core, the texts dealt out to them."""

    def load(given: Given) -> Ready:
        import multiprocessing

        context = multiprocessing.get_context("spawn")
        lines = []
        for _ in range(given.threads):
            mine, theirs = context.Pipe()
            worker = context.Process(target=_worker, args=(theirs, str(given.bundle), runtime), daemon=True)
            worker.start()
            lines.append((mine, worker))
        for line, _ in lines:
            line.recv()

        def answer(texts: Sequence[str]) -> object:
            for number, (line, _) in enumerate(lines):
                line.send(list(texts[number :: len(lines)]))
            return [line.recv() for line, _ in lines]

        return Ready(answer, helpers=tuple(worker.pid or 0 for _, worker in lines))

    return load


def _worker(line: Any, bundle: str, runtime: str) -> None:
    """Answer lists of texts with labels. Without the cache: every round brings the same texts."""
    from classifyd import plugins
    from classifyd.bundles import Store
    from classifyd.values import Record, Setup

    place = Path(bundle)
    opened = Store(place.parent.parent).open(place.parent.name, int(place.name))
    setup = Setup(opened.task, {"runtime": runtime, "cache": 0}, opened, threads=1)
    predictor = plugins.load().task(opened.task).load(setup)
    line.send("ready")
    for texts in _received(line):
        line.send([said.labels[0] for said in predictor.predict([Record(text) for text in texts])])


def _received(line: Any) -> Iterator[list[str]]:
    while True:
        try:
            yield line.recv()
        except EOFError:
            return


PEERS, INFINITY = ".venv-peers", ".venv-infinity"
PEER = "transformers.pipeline as it comes"
CONTENDERS = {
    PEER: Contender(pipeline(tune=False)),
    "transformers.pipeline": Contender(pipeline(tune=True)),
    "transformers.pipeline, bfloat16": Contender(pipeline(tune=True, half=True)),
    "optimum, ONNX Runtime": Contender(optimum(ONNX, tune=True)),
    "optimum, ONNX Runtime int8, as it comes": Contender(optimum(SMALL, tune=False)),
    "optimum, ONNX Runtime int8": Contender(optimum(SMALL, tune=True)),
    "sentence-transformers as it comes": Contender(cross_encoder("torch", tune=False), PEERS),
    "sentence-transformers": Contender(cross_encoder("torch"), PEERS),
    "sentence-transformers, ONNX int8": Contender(cross_encoder("onnx", SMALL), PEERS),
    "sentence-transformers, OpenVINO int8": Contender(cross_encoder("openvino", NNCF), PEERS),
    "infinity as it comes": Contender(infinity("torch"), INFINITY),
    "infinity, bfloat16": Contender(infinity("torch", dtype="bfloat16"), INFINITY),
    "OpenVINO by hand": Contender(openvino(ONNX)),
    "OpenVINO by hand, NNCF int8": Contender(openvino(NNCF)),
    "classifyd": Contender(classifyd("onnxruntime")),
    'classifyd, runtime = "openvino"': Contender(classifyd("openvino")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    os.environ.update({"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_NUM_THREADS": str(options.threads)})
    texts = json.loads(options.texts.read_text(encoding="utf-8"))
    given = Given(options.checkpoint, options.bundle, texts, options.threads)
    ready = CONTENDERS[options.name].load(given)
    ready.answer(texts[:64])
    turns.serve(lambda: ready.answer(texts), ready.settled, ready.helpers)
    os._exit(0)  # infinity's threads would go on for ever


if __name__ == "__main__":
    main()
