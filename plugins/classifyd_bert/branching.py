"""A model in two: the trunk, which its base's other models share, and the branch, which is its own.

The trunk is made of the base alone: of weights that the training left as they were, and of texts that are always the
same. So whoever tunes a model on the same base with as many layers frozen gets the same file, to the byte, and a worker
that serves both calculates it once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from classifyd_bert import outliers, ranges
from classifyd_bert.eightbit import Batch
from classifyd_bert.session import BRANCH, STATES, UPWARD, WHOLE, Session
from classifyd_bert.tokens import Tokenizer
from classifyd_bert.trunk import section

TEXTS = "trunk.txt"
"""Texts of this package by which a trunk's scales are found."""
ROWS = 8
SECTION_LAYERS = 2
"""So many layers make a section: tasks share as many as fit into what both leave alone."""


@dataclass(frozen=True, slots=True)
class Parts:
    """An exported model in pieces: the sections of its trunk by their names, the lowest first, and the rest."""

    trunk: Mapping[str, Path]
    branch: Path


def split(source: Path, layers: int, folder: Path) -> Parts | None:
    """The lowest `layers` of an exported model with its embeddings, in sections, and the rest; files in `folder`.

    None where the graph cannot be cut so: one tensor alone must lead from a part to the next.
    """
    model = onnx.load(source)
    ends = [*range(SECTION_LAYERS, layers, SECTION_LAYERS), layers]
    borders = [border for end in ends if (border := _border(model.graph, end)) is not None]
    if len(borders) < len(ends):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    given = list(model.graph.input)
    names: dict[str, str] = {}
    trunk: dict[str, Path] = {}
    for border, start, end in zip(borders, (0, *ends), ends, strict=False):
        states = helper.make_tensor_value_info(border, TensorProto.FLOAT, ["rows", "tokens", "width"])
        part = _between(model, given, [states])
        trunk[section(start, end)] = _saved(part, {**names, border: UPWARD}, folder / section(start, end))
        given, names = [states, *model.graph.input], {border: STATES}
    branch = _between(model, given, list(model.graph.output))
    return Parts(trunk, _saved(branch, names, folder / "branch.onnx"))


def batches(tokenizer: Tokenizer) -> list[Batch]:
    """Windows of the texts that trunks are measured on, all of one shape."""
    texts = resources.files("classifyd_bert").joinpath(TEXTS).read_text(encoding="utf-8").splitlines()
    windows = tokenizer.windows(texts)
    longest = max(window.padded for window in windows)
    return ranges.in_batches([replace(window, padded=longest) for window in windows], ROWS, tokenizer.pad_id)


def canonical(source: Path) -> None:
    """Have a file tell nothing but what is calculated: names in the order of the graph, and no word of who wrote it."""
    model = onnx.load(source)
    graph = model.graph
    kept = {value.name for value in (*graph.input, *graph.output)}
    constants = {tensor.name for tensor in graph.initializer}
    names: dict[str, str] = {"": ""}
    for number, node in enumerate(graph.node):
        node.name = f"n{number}"
        node.doc_string = ""
        del node.metadata_props[:]
        for name in node.input:
            if name in constants:
                names.setdefault(name, f"w{len(names)}")
        for place, name in enumerate(node.output):
            names.setdefault(name, f"n{number}.{place}")
    _rename(graph, {name: new for name, new in names.items() if name not in kept})
    tensors = sorted(graph.initializer, key=lambda tensor: int(tensor.name[1:]))
    for tensor in tensors:
        tensor.doc_string = ""
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(tensors)
    graph.name, graph.doc_string = "trunk", ""
    model.producer_name = model.producer_version = model.domain = model.doc_string = ""
    del model.metadata_props[:]
    source.write_bytes(model.SerializeToString(deterministic=True))


def trunk(parts: Parts, tokenizer: Tokenizer, folder: Path) -> dict[str, Path]:
    """The sections of a trunk in eight bits, files in `folder`; the same for the same weights."""
    seen = batches(tokenizer)
    made: dict[str, Path] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in parts.trunk.items():
        outliers.quantize(source, folder / name, seen, steady=True)
        canonical(folder / name)
        made[name] = folder / name
        seen = above([folder / name], seen)
    return made


def above(sections: Iterable[Path], below: Sequence[Batch]) -> list[Batch]:
    """The batches with what those sections say of them, the lowest section first."""
    found = list(below)
    for path in sections:
        session = Session(path.read_bytes(), 1, takes=BRANCH if STATES in found[0] else WHOLE)
        found = [{**batch, STATES: session.run(batch)} for batch in found]
    return found


def _border(graph: onnx.GraphProto, layers: int) -> str | None:
    """The one tensor that the layer above takes from the layers below."""
    below = {name for node in graph.node if _layer(node) == layers - 1 for name in node.output}
    found = {name for node in graph.node if _layer(node) == layers for name in node.input if name in below}
    return found.pop() if len(found) == 1 else None


def _layer(node: onnx.NodeProto) -> int | None:
    """The number of the layer that a node belongs to, by the path that the exporter names it by."""
    steps = node.name.split("/")
    numbers = [step.partition(".")[2] for step in steps if step.startswith(("layer.", "layers."))]
    return int(numbers[0]) if numbers and numbers[0].isdecimal() else None


def _between(
    model: onnx.ModelProto, given: Sequence[onnx.ValueInfoProto], wanted: Sequence[onnx.ValueInfoProto]
) -> onnx.ModelProto:
    """The part of a model that calculates what is wanted from what is given."""
    known = {value.name for value in given}
    asked = {value.name for value in wanted}
    nodes = []
    for node in reversed(model.graph.node):
        if any(name in asked and name not in known for name in node.output):
            nodes.append(node)
            asked.update(node.input)
    read = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes[::-1],
        model.graph.name,
        [value for value in given if value.name in read],
        wanted,
        [tensor for tensor in model.graph.initializer if tensor.name in read],
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _saved(part: onnx.ModelProto, names: Mapping[str, str], path: Path) -> Path:
    _rename(part.graph, names)
    onnx.save(part, path)
    return path


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name, name)
        for place, name in enumerate(node.output):
            node.output[place] = names.get(name, name)
    for value in _values(graph):
        value.name = names.get(value.name, value.name)


def _values(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto | onnx.TensorProto]:
    yield from graph.input
    yield from graph.output
    yield from graph.value_info
    yield from graph.initializer
